using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Xfrm.KernelPlaneBench;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>Outbound states that nothing is to be sent by any more: found by no packet at once, deleted when none is under way in them.</summary>
public class KernelPlaneRetirementTests
{
    [Fact]
    public async Task An_outbound_state_is_found_by_no_packet_at_once_and_deleted_a_moment_later()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.InstallAsync(cpu: 2, 1);
        bench.Kernel.TakeJournal();

        await RemoveAsync(bench);

        Assert.Equal([Retired("0e000001 cpu 2")], bench.Kernel.TakeJournal());
        Assert.Equal(XfrmLimits.None, bench.State(PeerSpi + 1).Limits);
        Assert.DoesNotContain(bench.Plane.ReadSaCounters(), r => r.Direction == SaDirection.Outbound);
        // Once more, for a socket that was just looking.
        bench.Clock.Advance(Retirement - TimeSpan.FromMilliseconds(1));
        Assert.Equal([Retired("0e000001 cpu 2")], bench.Kernel.TakeJournal());
        bench.Clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(["del sa 0e000001"], bench.Kernel.TakeJournal());
        bench.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task A_hidden_state_ends_when_it_was_to_end_should_the_process_be_killed()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        var lifetime = new SaLifetime(SoftTime: TimeSpan.FromMinutes(50), HardTime: TimeSpan.FromHours(1), HardBytes: 1 << 30);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 2) with { Lifetime = lifetime }, default);

        await RemoveAsync(bench);

        Assert.Equal(new XfrmLimits { HardTime = TimeSpan.FromHours(1) }, bench.State(PeerSpi + 1).Limits);
    }

    /// <summary>An interface drops what has found a state that was moved away since.</summary>
    [Fact]
    public async Task A_state_of_an_interface_stays_as_it_is_where_it_was_replaced_and_goes_at_once_where_not()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy() with { Interface = new RoutedInterface("ipsec0", 7, null, []) }, default);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 2), default);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 2, cpu: 2), default);
        bench.Kernel.TakeJournal();

        await RemoveAsync(bench);
        Assert.Empty(bench.Kernel.Journal);
        bench.Clock.Advance(Retirement);
        Assert.Equal(["del sa 0e000001"], bench.Kernel.TakeJournal());

        await bench.Plane.RemoveAsync(Connection, SaDirection.Outbound, PeerSpi + 2, East, default);
        Assert.Equal(["del sa 0e000002"], bench.Kernel.TakeJournal());
    }

    /// <summary>The next one is the older one to the kernel, which would go on with this one though the peer has it no more.</summary>
    [Fact]
    public async Task A_fallback_of_an_interface_goes_at_once_though_there_is_another()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy() with { Interface = new RoutedInterface("ipsec0", 7, null, []) }, default);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1), default);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 2) with { Replaces = PeerSpi + 1 }, default);
        bench.Kernel.TakeJournal();

        await RemoveAsync(bench);

        Assert.Equal(["del sa 0e000001"], bench.Kernel.TakeJournal());
    }

    [Fact]
    public async Task An_inbound_state_is_deleted_at_once()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        (uint inbound, _) = await bench.InstallAsync(cpu: 2, 1);
        bench.Kernel.TakeJournal();

        await bench.Plane.RemoveAsync(Connection, SaDirection.Inbound, inbound, West, default);

        Assert.Equal([$"del sa {inbound:x8}"], bench.Kernel.TakeJournal());
    }

    [Fact]
    public async Task A_peer_may_choose_the_number_again_meanwhile()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 2), default);
        await RemoveAsync(bench);
        bench.Kernel.TakeJournal();

        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 2, key: 99), default);
        bench.Clock.Advance(Retirement * 2);

        Assert.Equal(["del sa 0e000001", "add sa out 0e000001 cpu 2"], bench.Kernel.TakeJournal().Take(2));
        Assert.Equal(0u, bench.State(PeerSpi + 1).InterfaceId);
    }

    [Fact]
    public async Task Where_the_kernel_refuses_it_is_deleted_at_once()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 2), default);
        bench.Kernel.Refuse = line => line.StartsWith("update", StringComparison.Ordinal) ? 12 : 0;
        bench.Kernel.TakeJournal();

        await RemoveAsync(bench);

        Assert.Equal(["del sa 0e000001"], bench.Kernel.TakeJournal());
    }

    [Fact]
    public async Task A_deletion_that_is_refused_is_tried_again()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 2), default);
        await RemoveAsync(bench);
        bench.Kernel.Refuse = line => line.StartsWith("del", StringComparison.Ordinal) ? 12 : 0;
        bench.Clock.Advance(Retirement);
        Assert.Single(bench.Kernel.States);

        bench.Kernel.Refuse = _ => 0;
        bench.Clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Empty(bench.Kernel.States);
    }

    [Fact]
    public async Task What_is_tried_again_ends_no_retirement_early()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 2), default);
        bench.Kernel.Refuse = line => line.StartsWith("policy", StringComparison.Ordinal) ? 12 : 0;
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 3, cpu: 3), default);
        bench.Clock.Advance(TimeSpan.FromMilliseconds(900));
        await RemoveAsync(bench);
        bench.Kernel.Refuse = _ => 0;

        bench.Clock.Advance(TimeSpan.FromMilliseconds(101));

        Assert.Contains("policy out 10.1.0.0/24 → 10.2.0.0/24", bench.Kernel.TakeJournal());
        Assert.Contains(bench.Kernel.States, s => s.State.Spi == PeerSpi + 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_release_and_an_end_leave_none(bool end)
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1), default);
        await RemoveAsync(bench);

        if (end)
            await bench.Plane.DisposeAsync();
        else
            await bench.Plane.ReleaseAsync(Connection, default);

        Assert.Empty(bench.Kernel.States);
        Assert.Empty(bench.Remembered);
        bench.Kernel.TakeJournal();
        bench.Clock.Advance(Retirement * 2);
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task What_a_killed_process_retired_carries_nothing_and_goes()
    {
        KernelPlaneBench killed = await HoldAsync();
        await killed.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 2), default);
        await RemoveAsync(killed);
        await using KernelPlaneBench next = Create(killed.Kernel);

        Assert.Equal(PriorHold.Held, await next.Plane.HoldAsync(Policy(), default));

        Assert.Empty(next.Kernel.States);
    }

    private static async Task RemoveAsync(KernelPlaneBench bench) => await bench.Plane.RemoveAsync(Connection, SaDirection.Outbound, PeerSpi + 1, East, default);
}
