using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Xfrm.KernelPlaneBench;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>SAs of the kernel data plane, by what it asks the kernel for.</summary>
public class KernelPlaneSaTests
{
    private const int Enosys = 38;

    /// <summary>The outbound policy written anew, so that sockets look for their SA again.</summary>
    private const string PolicyOut = "policy out 10.1.0.0/24 → 10.2.0.0/24";

    [Fact]
    public async Task A_Child_SA_is_an_SPI_that_is_completed_and_an_outbound_state_behind_it()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        (uint inbound, uint outbound) = await bench.InstallAsync(cpu: 2, 1);

        Assert.Equal(["spi c0000001", "update sa in c0000001 cpu 2", "add sa out 0e000001 cpu 2", PolicyOut], bench.Kernel.TakeJournal());
        XfrmState arriving = bench.State(inbound), leaving = bench.State(outbound);
        Assert.Equal((XfrmSaDirection.In, 1024, 2, RequestId), (arriving.Direction!.Value, arriving.ReplayWindow, arriving.Cpu!.Value, arriving.RequestId));
        Assert.Equal((XfrmSaDirection.Out, 0, 2, RequestId), (leaving.Direction!.Value, leaving.ReplayWindow, leaving.Cpu!.Value, leaving.RequestId));
        Assert.Equal((East, West, West, East), (arriving.Source, arriving.Destination, leaving.Source, leaving.Destination));
    }

    [Fact]
    public async Task A_state_without_its_policy_is_refused()
    {
        await using KernelPlaneBench bench = Create();
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.InstallAsync(Outbound(PeerSpi), default));
        Assert.Contains("'lab'", e.Message);
        await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.ReserveSpiAsync(Connection, null, West, East, default));
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task Fallbacks_are_older_than_any_SA_of_a_CPU_and_than_the_one_before_with_their_life_counted_from_now()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1) with { Lifetime = new SaLifetime(HardTime: TimeSpan.FromHours(1)) }, default);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 2, cpu: 1), default);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 3) with { Replaces = PeerSpi + 1 }, default);

        Assert.Equal([(PeerSpi + 1, 999_999_999ul), (PeerSpi + 2, 0), (PeerSpi + 3, 999_999_998)], bench.Kernel.States.Select(s => (s.State.Spi, s.AddedAt)));
        Assert.Equal(bench.Clock.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(999_999_999) + TimeSpan.FromHours(1), bench.State(PeerSpi + 1).Limits.HardTime);
    }

    [Fact]
    public async Task A_kernel_that_binds_to_no_CPU_gets_neither_direction_nor_CPU_nor_an_old_time()
    {
        await using KernelPlaneBench bench = await HoldAsync(perCpu: false);
        await bench.InstallAsync(cpu: null, 1);
        Assert.Equal(["spi c0000001", "update sa any c0000001", "add sa any 0e000001"], bench.Kernel.TakeJournal());

        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.InstallAsync(Outbound(PeerSpi + 2, cpu: 1), default));
        Assert.Contains("6.13", e.Message);
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task A_CPU_that_is_not_the_planes_never_reaches_the_kernel()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.InstallAsync(Outbound(PeerSpi, cpu: 4), default));
        Assert.Equal((PcpuIpsecError.InvalidOption, true), (e.Error, e.Message.Contains("Cpu = 4") && e.Message.Contains("0-3")));
        await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.ReserveSpiAsync(Connection, 128, West, East, default));
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task A_key_is_never_added_twice_even_where_its_SA_is_gone_or_was_refused()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 0), default);
        await bench.Plane.RemoveAsync(Connection, SaDirection.Outbound, PeerSpi + 1, East, default);
        bench.Kernel.Journal.Clear();

        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 1), default));
        Assert.Equal(PcpuIpsecError.CryptoFailure, e.Error);
        Assert.Empty(bench.Kernel.Journal);

        bench.Kernel.Refuse = line => line.StartsWith("add sa", StringComparison.Ordinal) ? Enosys : 0;
        await Assert.ThrowsAsync<XfrmUnsupportedException>(async () => await bench.Plane.InstallAsync(Outbound(PeerSpi + 2), default));
        bench.Kernel.Refuse = _ => 0;
        bench.Kernel.Journal.Clear();
        await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.InstallAsync(Outbound(PeerSpi + 2), default));
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task Where_the_outbound_half_is_refused_the_inbound_one_can_be_taken_back_and_nothing_is_left()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        bench.Kernel.Refuse = line => line.StartsWith("add sa out", StringComparison.Ordinal) ? Enosys : 0;
        await Assert.ThrowsAsync<XfrmUnsupportedException>(() => bench.InstallAsync(cpu: 1, 1));
        await bench.Plane.RemoveAsync(Connection, SaDirection.Inbound, 0xc0000001, West, default);

        Assert.Equal(["spi c0000001", "update sa in c0000001 cpu 1", "del sa c0000001"], bench.Kernel.TakeJournal());
        Assert.Empty(bench.Kernel.States);
        Assert.Empty(bench.Plane.ReadSaCounters());
    }

    [Fact]
    public async Task An_SPI_whose_reservation_ended_while_the_peer_was_waited_for_is_added_anew()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        uint spi = await bench.Plane.ReserveSpiAsync(Connection, 1, West, East, default);
        bench.Kernel.Lose(spi);
        await bench.Plane.InstallAsync(Inbound(spi, cpu: 1), default);
        Assert.Equal(["spi c0000001", "add sa in c0000001 cpu 1"], bench.Kernel.TakeJournal());
    }

    [Fact]
    public async Task A_released_reservation_is_deleted_and_a_completed_one_is_not()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        uint used = await bench.Plane.ReserveSpiAsync(Connection, null, West, East, default), unused = await bench.Plane.ReserveSpiAsync(Connection, null, West, East, default);
        await bench.Plane.InstallAsync(Inbound(used), default);
        bench.Plane.ReleaseSpi(used, West);
        bench.Plane.ReleaseSpi(unused, West);
        Assert.Equal(used, Assert.Single(bench.Kernel.States).State.Spi);
    }

    [Fact]
    public async Task What_another_daemon_installed_is_never_deleted()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        using (var other = new XfrmSocket(new NetlinkSocket(bench.Kernel)))
            other.AddState(XfrmRequestTests.Outbound, XfrmRequestTests.Gcm, new byte[20], []);
        bench.Kernel.Journal.Clear();

        await bench.Plane.RemoveAsync(Connection, SaDirection.Outbound, XfrmRequestTests.Outbound.Spi, East, default);
        await bench.Plane.ReleaseAsync(Connection, default);

        Assert.Equal(XfrmRequestTests.Outbound.Spi, Assert.Single(bench.Kernel.States).State.Spi);
    }

    [Fact]
    public async Task A_selector_that_was_narrowed_is_the_states_own_and_the_policys_is_left_to_the_policy()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        IReadOnlyList<TrafficSelector> narrowed = [TrafficSelector.Parse("10.1.0.0/25")];
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1) with { LocalSelectors = narrowed }, default);
        await bench.Plane.InstallAsync(Inbound(0x0f000001) with { LocalSelectors = narrowed }, default);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 2), default);

        Assert.Equal("10.1.0.0/25 → 10.2.0.0/24", bench.State(PeerSpi + 1).Selector!.ToString());
        Assert.Equal("10.2.0.0/24 → 10.1.0.0/25", bench.State(0x0f000001).Selector!.ToString());
        Assert.Equal((null, XfrmStateFlags.AfUnspec), (bench.State(PeerSpi + 2).Selector, bench.State(PeerSpi + 2).Flags));
    }

    [Fact]
    public void What_a_peer_narrows_to_costs_no_more_than_the_one_selector_that_a_state_has_room_for()
    {
        // 14 prefixes and 30 masks of ports on each side.
        SaInstallation sa = Outbound(PeerSpi) with
        {
            LocalSelectors = [TrafficSelector.Parse("10.1.0.1-10.1.0.254[tcp/1-65534]")],
            RemoteSelectors = [TrafficSelector.Parse("10.2.0.1-10.2.0.254[tcp/1-65534]")],
        };
        long before = GC.GetAllocatedBytesForCurrentThread();
        XfrmState state = KernelStates.Of(sa, Policy(), new KernelSupport(Direction: true, PerCpu: true), addedAt: null, DateTimeOffset.UnixEpoch);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Null(state.Selector);
    }

    [Fact]
    public async Task A_port_of_ESP_in_UDP_is_changed_in_place_without_the_key_and_an_address_is_not()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1) with { Encapsulation = new UdpEncapsulation(4500, 4500) }, default);
        await bench.Plane.InstallAsync(Inbound(0x0f000001) with { Encapsulation = new UdpEncapsulation(0, 4500) }, default);
        await bench.Plane.InstallAsync(Inbound(0x0f000002) with { Encapsulation = new UdpEncapsulation(4500, 4500) }, default);
        Assert.Equal((uint.MaxValue, 5u), (bench.State(0x0f000001).MappingThreshold!.Value, bench.State(0x0f000002).MappingThreshold!.Value));
        bench.Kernel.Journal.Clear();

        await bench.Plane.UpdateRemoteAsync(SaDirection.Outbound, PeerSpi + 1, new(East, 4500), new(East, 40000), default);
        await bench.Plane.UpdateRemoteAsync(SaDirection.Inbound, 0x0f000001, new(East, 4500), new(East, 40000), default);
        await bench.Plane.UpdateRemoteAsync(SaDirection.Inbound, 0x0f000002, new(East, 4500), new(East, 40000), default);

        Assert.Equal(["update sa out 0e000001 added at 999999999 s", "update sa in 0f000001", "update sa in 0f000002"], bench.Kernel.TakeJournal());
        Assert.Equal([(4500, 40000), (0, 4500), (40000, 4500)], bench.Kernel.States.Select(s => ((int)s.State.Encapsulation!.SourcePort, (int)s.State.Encapsulation.DestinationPort)));
        Assert.Equal(new byte[20], Key(bench.Kernel.States[0].Payload));
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.UpdateRemoteAsync(SaDirection.Outbound, PeerSpi + 1, new(East, 40000), new(IPAddress.Parse("192.0.2.3"), 40000), default));
        Assert.Contains("192.0.2.3", e.Message);
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task Counters_are_the_kernels_of_ours_alone()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.InstallAsync(cpu: 3, 1);
        bench.Kernel.AddPlaceholder(RequestId, 9, null, "192.0.2.1", "192.0.2.2", XfrmSamples.Trigger);
        bench.Kernel.Count(PeerSpi + 1, packets: 7, bytes: 700);

        SaCounters sent = Assert.Single(bench.Plane.ReadSaCounters(), c => c.Direction == SaDirection.Outbound);
        Assert.Equal((Connection, PeerSpi + 1, 3, 7L, 700L), (sent.Connection, sent.Spi, sent.Cpu!.Value, sent.Packets, sent.Bytes));
        Assert.Equal(2, bench.Plane.ReadSaCounters().Count);
        bench.Statistics["XfrmInStateSeqError"] += 4;
        Assert.Equal((4, 0), (bench.Plane.ReadDropCounters()["XfrmInStateSeqError"], bench.Plane.ReadDropCounters()[KernelDataPlane.LostToAcquires]));
    }

    private static byte[] Key(byte[] payload)
    {
        XfrmSocket.Read<XfrmUserSaInfo>(XfrmMessageType.NewSa, payload, out NetlinkAttributes attributes);
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type == XfrmAttribute.AlgAead)
                return attribute.Payload[^20..].ToArray();
        }
        return [];
    }
}
