using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Xfrm.KernelPlaneBench;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>On demand: the flag that has the kernel ask for an SA by CPU is there only while nothing is being asked for.</summary>
public class KernelPlaneAcquireTests
{
    private const string Armed = "policy out 10.1.0.0/24 → 10.2.0.0/24 by cpu", Disarmed = "policy out 10.1.0.0/24 → 10.2.0.0/24";
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task The_flag_waits_for_permission_and_the_fallback_and_goes_before_the_fallback_does()
    {
        await using KernelPlaneBench bench = await HoldAsync(acquirePerCpu: true);
        await bench.Plane.AllowAcquiresAsync(Connection, true, default);
        Assert.Empty(bench.Kernel.Journal);
        (_, uint fallback) = await bench.InstallAsync(cpu: null, 1);
        Assert.Equal(Armed, bench.Kernel.Journal[^1]);
        bench.Kernel.Journal.Clear();

        await bench.Plane.RemoveAsync(Connection, SaDirection.Outbound, fallback, East, default);
        Assert.Equal([Disarmed, Retired("0e000001", "added at 999999999 s")], bench.Kernel.TakeJournal());

        await bench.InstallAsync(cpu: null, 2);
        Assert.Equal(Armed, bench.Kernel.TakeJournal()[^1]);
        await bench.Plane.AllowAcquiresAsync(Connection, false, default);
        Assert.Equal([Disarmed], bench.Kernel.TakeJournal());
    }

    [Fact]
    public async Task The_flag_is_never_set_for_a_connection_that_is_not_on_demand_nor_on_a_kernel_without_it()
    {
        foreach ((bool acquire, bool perCpu) in new[] { (false, true), (true, false) })
        {
            await using KernelPlaneBench bench = await HoldAsync(acquire, perCpu);
            await bench.Plane.AllowAcquiresAsync(Connection, true, default);
            await bench.InstallAsync(cpu: null, 1);
            Assert.False(bench.FlagIsSet);
        }
    }

    [Fact]
    public async Task An_acquire_is_taken_back_behind_the_flag_and_told_and_the_flag_returns_with_the_SA()
    {
        await using KernelPlaneBench bench = await ArmedAsync();
        bench.Acquire(cpu: 2, sequence: 7);

        Assert.Equal([Disarmed, "spi for the placeholder 7", "del sa c0000002"], bench.Kernel.TakeJournal());
        Assert.Equal([new AcquireRaised(Connection, 2, TrafficSelector.Parse("10.1.0.1[tcp/1024]"), TrafficSelector.Parse("10.2.0.1[tcp/80]"))], bench.Events());

        await bench.InstallAsync(cpu: 2, 2);
        Assert.True(bench.FlagIsSet);
        bench.Kernel.Journal.Clear();
        // What was waited for is there: no timer is left.
        bench.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task The_flag_stays_away_until_the_last_of_several_CPUs_has_its_SA()
    {
        await using KernelPlaneBench bench = await ArmedAsync();
        bench.Acquire(cpu: 1, sequence: 7);
        bench.Acquire(cpu: 3, sequence: 8);
        await bench.InstallAsync(cpu: 1, 2);
        Assert.False(bench.FlagIsSet);
        await bench.InstallAsync(cpu: 3, 3);
        Assert.True(bench.FlagIsSet);
        Assert.Equal([1, 3], bench.Events().Cast<AcquireRaised>().Select(a => a.Cpu!.Value));
    }

    [Fact]
    public async Task What_is_asked_for_in_vain_is_asked_for_again_later_and_later()
    {
        await using KernelPlaneBench bench = await ArmedAsync();
        TimeSpan pause = _second;
        for (int i = 0; i < 8; i++)
        {
            bench.Acquire(cpu: 1, sequence: (uint)(7 + i));
            bench.Clock.Advance(pause - TimeSpan.FromMilliseconds(1));
            Assert.False(bench.FlagIsSet, $"after {pause} less a bit");
            bench.Clock.Advance(TimeSpan.FromMilliseconds(1));
            Assert.True(bench.FlagIsSet, $"after {pause}");
            pause = pause * 2 < TimeSpan.FromSeconds(64) ? pause * 2 : TimeSpan.FromSeconds(64);
        }

        // One that was granted makes the waits short again.
        await bench.InstallAsync(cpu: 1, 2);
        bench.Acquire(cpu: 2, sequence: 99);
        bench.Clock.Advance(_second);
        Assert.True(bench.FlagIsSet);
    }

    [Fact]
    public async Task An_acquire_whose_CPU_has_its_SA_meanwhile_is_taken_back_without_a_word()
    {
        await using KernelPlaneBench bench = await ArmedAsync();
        await bench.InstallAsync(cpu: 2, 2);
        bench.Acquire(cpu: 2, sequence: 7);
        Assert.Empty(bench.Events());
        Assert.DoesNotContain(bench.Kernel.States, s => s.State.Spi == 0);
        Assert.True(bench.FlagIsSet);
    }

    [Fact]
    public async Task A_late_acquire_without_a_CPU_is_taken_back_once_the_fallback_is_there()
    {
        await using KernelPlaneBench bench = await ArmedAsync();
        bench.Acquire(cpu: null, sequence: 7);
        Assert.Empty(bench.Events());
        Assert.DoesNotContain(bench.Kernel.States, s => s.State.Spi == 0);
    }

    [Fact]
    public async Task The_fallback_takes_back_every_placeholder_that_CPUs_left_before_it_was_there()
    {
        await using KernelPlaneBench bench = await HoldAsync(acquirePerCpu: true);
        await bench.Plane.AllowAcquiresAsync(Connection, true, default);
        for (uint sequence = 7; sequence < 11; sequence++)
            bench.Acquire(cpu: null, sequence);
        Assert.Equal(4, bench.Events().Count);
        await bench.InstallAsync(cpu: null, 1);
        Assert.DoesNotContain(bench.Kernel.States, s => s.State.Spi == 0);
        Assert.True(bench.FlagIsSet);
    }

    [Fact]
    public async Task No_more_acquires_takes_the_flag_away_and_what_waits_back()
    {
        await using KernelPlaneBench bench = await ArmedAsync();
        bench.Kernel.AddPlaceholder(RequestId, 7, 2, "192.0.2.1", "192.0.2.2", XfrmSamples.Trigger);
        await bench.Plane.AllowAcquiresAsync(Connection, false, default);
        Assert.Equal([Disarmed, "spi for the placeholder 7", "del sa c0000002"], bench.Kernel.TakeJournal());
    }

    [Fact]
    public async Task What_is_lost_between_an_acquire_and_the_flags_end_is_counted()
    {
        await using KernelPlaneBench bench = await ArmedAsync();
        bench.Statistics["XfrmOutNoStates"] += 3;
        Assert.Equal(3, Lost());
        bench.Acquire(cpu: 1, sequence: 7);
        Assert.Equal(3, Lost());
        // Without the flag it is nobody's acquire that loses packets.
        bench.Statistics["XfrmOutNoStates"] += 100;
        Assert.Equal(3, Lost());
        await bench.InstallAsync(cpu: 1, 2);
        bench.Statistics["XfrmOutNoStates"] += 2;
        await bench.Plane.AllowAcquiresAsync(Connection, false, default);
        Assert.Equal(5, Lost());

        long Lost() => bench.Plane.ReadDropCounters()[KernelDataPlane.LostToAcquires];
    }

    [Fact]
    public async Task After_lost_events_an_acquire_that_waits_is_taken_back_and_told()
    {
        await using KernelPlaneBench bench = await ArmedAsync();
        bench.Kernel.AddPlaceholder(RequestId, 7, 2, "192.0.2.1", "192.0.2.2", XfrmSamples.Trigger);
        bench.Plane.Take(new XfrmEventsLost("they came faster than they were read"));
        Assert.Equal([Disarmed, "spi for the placeholder 7", "del sa c0000002"], bench.Kernel.TakeJournal());
        Assert.Equal(2, Assert.IsType<AcquireRaised>(Assert.Single(bench.Events())).Cpu);
    }

    [Fact]
    public async Task A_release_ends_the_wait_for_an_SA()
    {
        await using KernelPlaneBench bench = await ArmedAsync();
        bench.Acquire(cpu: 1, sequence: 7);
        await bench.Plane.ReleaseAsync(Connection, default);
        bench.Kernel.Journal.Clear();
        bench.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Empty(bench.Kernel.Journal);
    }

    /// <summary>With a fallback, and acquires allowed.</summary>
    private static async Task<KernelPlaneBench> ArmedAsync()
    {
        KernelPlaneBench bench = await HoldAsync(acquirePerCpu: true);
        await bench.InstallAsync(cpu: null, 1);
        await bench.Plane.AllowAcquiresAsync(Connection, true, default);
        Assert.True(bench.FlagIsSet);
        bench.Kernel.Journal.Clear();
        return bench;
    }
}
