using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Xfrm.KernelPlaneBench;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>What the kernel says becomes of the data plane's events.</summary>
public class KernelPlaneEventTests
{
    private static readonly TrafficSelector _triggerLocal = TrafficSelector.Parse("10.1.0.1[tcp/1024]"), _triggerRemote = TrafficSelector.Parse("10.2.0.1[tcp/80]");

    [Fact]
    public async Task A_packet_without_any_SA_is_told_with_its_selectors_and_its_placeholder_stays_to_pace_the_kernel()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        bench.Acquire(cpu: null, sequence: 7);
        Assert.Equal([new AcquireRaised(Connection, null, _triggerLocal, _triggerRemote)], bench.Events());
        Assert.Single(bench.Kernel.States);
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task Acquires_of_other_daemons_are_not_ours()
    {
        await using KernelPlaneBench bench = await HoldAsync(acquirePerCpu: true);
        bench.Plane.Take(new XfrmAcquire { PolicyIndex = 1, Policy = XfrmSamples.Policy, Trigger = XfrmSamples.Trigger, Source = West, Destination = East, Protocol = 50, Cpu = 1, Sequence = 7 });
        Assert.Empty(bench.Events());
        Assert.Empty(bench.Kernel.Journal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_limit_is_told_once_and_after_the_hard_one_the_SA_is_no_more(bool hardAtOnce)
    {
        await using KernelPlaneBench bench = await HoldAsync();
        (_, uint spi) = await bench.InstallAsync(cpu: 1, 1);
        if (!hardAtOnce)
        {
            bench.Plane.Take(Expire(bench, spi, hard: false));
            bench.Plane.Take(Expire(bench, spi, hard: false));
        }
        XfrmExpire hard = Expire(bench, spi, hard: true);
        bench.Kernel.Lose(spi);
        bench.Plane.Take(hard);
        bench.Plane.Take(hard);

        DataPlaneEvent end = new SaExpired(SaDirection.Outbound, spi, East, Hard: true);
        Assert.Equal(hardAtOnce ? [end] : [new SaExpired(SaDirection.Outbound, spi, East, Hard: false), end], bench.Events());
        Assert.DoesNotContain(bench.Plane.ReadSaCounters(), c => c.Spi == spi);
    }

    [Fact]
    public async Task A_peer_that_a_NAT_moved_is_told_for_SAs_of_ours_alone()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        (uint spi, _) = await bench.InstallAsync(cpu: 1, 1);
        IPEndPoint moved = new(East, 40000);
        bench.Plane.Take(new XfrmMapping(new XfrmStateId(West, spi), RequestId, new(East, 4500), moved));
        bench.Plane.Take(new XfrmMapping(new XfrmStateId(West, spi + 1), RequestId, new(East, 4500), moved));
        Assert.Equal([new PeerMapped(spi, moved)], bench.Events());
    }

    [Fact]
    public async Task After_lost_events_SAs_that_are_gone_or_at_their_limit_and_waiting_packets_are_told()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 0) with { Lifetime = new SaLifetime(SoftPackets: 10) }, default);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 2, cpu: 1), default);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 3, cpu: 2) with { Lifetime = new SaLifetime(SoftBytes: 1000) }, default);
        bench.Kernel.Count(PeerSpi + 1, packets: 10, bytes: 1);
        bench.Kernel.Count(PeerSpi + 3, packets: 100, bytes: 999);
        bench.Kernel.Lose(PeerSpi + 2);
        bench.Kernel.AddPlaceholder(RequestId, 7, null, "192.0.2.1", "192.0.2.2", XfrmSamples.Trigger);

        bench.Plane.Take(new XfrmEventsLost("they came faster than they were read"));
        bench.Plane.Take(new XfrmEventsLost("again"));

        List<DataPlaneEvent> events = bench.Events();
        Assert.Equal(2, events.OfType<AcquireRaised>().Count());
        Assert.Equal(
            [new SaExpired(SaDirection.Outbound, PeerSpi + 1, East, Hard: false), new SaExpired(SaDirection.Outbound, PeerSpi + 2, East, Hard: true)],
            events.OfType<SaExpired>());
    }

    [Fact]
    public async Task Nothing_is_told_once_the_plane_is_gone()
    {
        KernelPlaneBench bench = await HoldAsync();
        (uint spi, _) = await bench.InstallAsync(cpu: 1, 1);
        await bench.DisposeAsync();
        bench.Plane.Take(new XfrmMapping(new XfrmStateId(West, spi), RequestId, new(East, 4500), new(East, 40000)));
        Assert.Empty(bench.Events());
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await bench.Plane.HoldAsync(Policy(), default));
    }

    private static XfrmExpire Expire(KernelPlaneBench bench, uint spi, bool hard) => new(new XfrmInstalledState { State = bench.State(spi) }, hard);
}
