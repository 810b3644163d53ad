using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.Lab;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>
/// The kernel data plane on this host's kernel, as far as that goes without ESP: policies that hold, packets that ask for an
/// SA, IKE's sockets that pass.
/// </summary>
[Collection("namespaces")]
public sealed class KernelPlaneTests : IDisposable
{
    private const string Connection = ManualTunnel.Connection;

    private readonly TestNetwork _network = new();
    private readonly WireCapture _wire;

    public KernelPlaneTests() => _wire = _network.CaptureInEast();

    public void Dispose()
    {
        _wire.Dispose();
        _network.Dispose();
    }

    [NamespaceTheory]
    [InlineData(IpsecMode.Tunnel, false)]
    [InlineData(IpsecMode.Tunnel, true)]
    [InlineData(IpsecMode.Transport, false)]
    [InlineData(IpsecMode.Transport, true)]
    public async Task Held_traffic_does_not_leave_in_clear_until_it_is_released_whether_the_process_lives_or_not(IpsecMode mode, bool isIPv6)
    {
        var shape = new TunnelShape { Mode = mode, InnerIPv6 = isIPv6, OuterIPv6 = isIPv6 };
        using Socket connected = TestTraffic.Open(_network.West, shape.WestInner);
        connected.Connect(shape.EastInner, TestTraffic.Port);
        await SeeInClearAsync(shape, connected);

        await using (KernelDataPlane plane = Create())
        {
            Assert.Equal(PriorHold.None, await plane.HoldAsync(ManualTunnel.Policy(shape, ofWest: true), default));
            await SeeNothingAsync(shape, connected);
            Assert.True(Assert.Single(_network.West.Run(() => Holds.BesideThoseOf(["another"]))).IsOf(Connection));
            Assert.Empty(_network.West.Run(() => Holds.BesideThoseOf([Connection])));
            Assert.Contains(KernelIds.RequestIdOf(Connection).ToString(System.Globalization.CultureInfo.InvariantCulture), TestNetwork.Ip($"-n {_network.WestName} xfrm policy"));
        }
        // As after a kill: the plane is gone and its policies are not.
        await SeeNothingAsync(shape, connected);

        await using KernelDataPlane next = Create();
        Assert.Equal(PriorHold.Held, await next.HoldAsync(ManualTunnel.Policy(shape, ofWest: true), default));
        await SeeNothingAsync(shape, connected);
        await next.ReleaseAsync(Connection, default);
        await SeeInClearAsync(shape, connected);
        AssertNothingLeft();
    }

    [NamespaceFact("ip")]
    public async Task A_plane_that_ends_leaves_its_policies_and_nothing_else()
    {
        NetworkNamespace west = NetworkNamespace.Get(_network.WestName);
        Leavings before = Leavings.Of(west);
        TrafficPolicy policy = ManualTunnel.Policy(new TunnelShape(), ofWest: true) with { Mss = new SegmentSize(1200), AcquirePerCpu = true };
        await using (KernelDataPlane plane = Create())
        {
            await plane.HoldAsync(policy, default);
            IReadOnlyList<string> made = Leavings.Of(west).Since(before);
            Assert.Contains(made, l => l.Contains("advmss 1200", StringComparison.Ordinal));
            Assert.Contains("net.core.xfrm_acq_expires = 5", made);
            Assert.Contains(made, l => l.StartsWith("/run/pcpu-ipsec/", StringComparison.Ordinal));
        }

        Assert.All(Leavings.Of(west).Since(before), line => Assert.StartsWith("xfrm policy: ", line));
        Assert.NotEmpty(Policies());
        await using KernelDataPlane next = Create();
        await next.HoldAsync(policy, default);
        await next.ReleaseAsync(Connection, default);
        Assert.Empty(Leavings.Of(west).Since(before));
        Assert.Empty(before.Since(Leavings.Of(west)));
    }

    [NamespaceFact("ip")]
    public async Task What_the_embedded_plane_left_held_is_taken_over_without_a_gap()
    {
        var shape = new TunnelShape();
        using Socket connected = TestTraffic.Open(_network.West, shape.WestInner);
        connected.Connect(shape.EastInner, TestTraffic.Port);
        string before = TestNetwork.Ip($"-n {_network.WestName} rule");
        await using (EmbeddedDataPlane embedded = await EmbeddedDataPlane.CreateAsync(new EmbeddedOptions { Cpus = [0], NetworkNamespace = TestNetwork.PathOf(_network.WestName) }, default))
            await embedded.HoldAsync(ManualTunnel.Policy(shape, ofWest: true), default);
        Assert.NotEqual(before, TestNetwork.Ip($"-n {_network.WestName} rule"));

        await using KernelDataPlane plane = Create();
        await plane.HoldAsync(ManualTunnel.Policy(shape, ofWest: true), default);
        Assert.Equal(before, TestNetwork.Ip($"-n {_network.WestName} rule"));
        await SeeNothingAsync(shape, connected);
        Assert.IsType<AcquireRaised>(await NextAsync(plane));
        await plane.ReleaseAsync(Connection, default);
        await SeeInClearAsync(shape, connected);
    }

    [NamespaceFact("ip")]
    public async Task What_comes_in_clear_though_it_is_to_be_protected_is_dropped_and_counted()
    {
        var shape = new TunnelShape();
        using Socket west = TestTraffic.Open(_network.West, shape.WestInner, TestTraffic.Port), east = TestTraffic.Open(_network.East, shape.EastInner);
        await using KernelDataPlane plane = Create();
        await plane.HoldAsync(ManualTunnel.Policy(shape, ofWest: true), default);
        east.SendTo("clear"u8, new IPEndPoint(shape.WestInner, TestTraffic.Port));
        Assert.True(TestTraffic.ReceivesNothing(west));
        if (_network.West.Run(XfrmStatistics.Read) is not null)
            Assert.True(plane.ReadDropCounters()["XfrmInTmplMismatch"] + plane.ReadDropCounters()["XfrmInNoPols"] > 0);
        await plane.ReleaseAsync(Connection, default);
        east.SendTo("clear"u8, new IPEndPoint(shape.WestInner, TestTraffic.Port));
        Assert.Equal(1, TestTraffic.Receive(west, 1).Count);
    }

    [NamespaceFact("ip")]
    public async Task A_packet_that_has_to_go_is_told_with_its_selectors_and_a_release_takes_its_placeholder_along()
    {
        var shape = new TunnelShape();
        await using KernelDataPlane plane = Create();
        await plane.HoldAsync(ManualTunnel.Policy(shape, ofWest: true), default);
        using Socket socket = TestTraffic.Open(_network.West, shape.WestInner, 1024);
        Send(socket, new IPEndPoint(shape.EastInner, 2048));

        AcquireRaised acquire = Assert.IsType<AcquireRaised>(await NextAsync(plane));
        Assert.Equal(new AcquireRaised(Connection, null, TrafficSelector.Parse("10.1.0.1[udp/1024]"), TrafficSelector.Parse("10.2.0.1[udp/2048]")), acquire);
        Assert.Single(States(), s => s.State.Spi == 0 && s.State.RequestId == KernelIds.RequestIdOf(Connection));

        await plane.ReleaseAsync(Connection, default);
        AssertNothingLeft();
    }

    [NamespaceFact("ip")]
    public async Task Lost_events_are_made_up_for_from_what_the_kernel_holds()
    {
        var shape = new TunnelShape();
        await using KernelDataPlane plane = Create();
        await plane.HoldAsync(ManualTunnel.Policy(shape, ofWest: true), default);
        using Socket socket = TestTraffic.Open(_network.West, shape.WestInner, 1024);
        Send(socket, new IPEndPoint(shape.EastInner, 2048));
        DataPlaneEvent told = await NextAsync(plane);

        plane.Take(new XfrmEventsLost("as if this one had not come"));

        Assert.Equal(told, await NextAsync(plane));
    }

    [NamespaceTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task IKE_passes_where_its_own_addresses_are_held_and_other_datagrams_do_not(bool isIPv6)
    {
        var shape = new TunnelShape { Mode = IpsecMode.Transport, OuterIPv6 = isIPv6 };
        await using KernelDataPlane west = Create(), east = Create(_network.EastName);
        using Socket westIke = west.OpenIkeSocket(new(shape.WestOuter, 500)), eastIke = east.OpenIkeSocket(new(shape.EastOuter, 500));
        using Socket westNat = west.OpenEncapsulationSocket(new(shape.WestOuter, 4500)), eastNat = east.OpenEncapsulationSocket(new(shape.EastOuter, 4500));
        using Socket other = TestTraffic.Open(_network.West, shape.WestOuter);
        await west.HoldAsync(ManualTunnel.Policy(shape, ofWest: true), default);
        await east.HoldAsync(ManualTunnel.Policy(shape, ofWest: false), default);

        westIke.SendTo("ike"u8, new IPEndPoint(shape.EastOuter, 500));
        westNat.SendTo([0, 0, 0, 0, .. "ike"u8], new IPEndPoint(shape.EastOuter, 4500));
        Assert.Equal((1, 3L), TestTraffic.Receive(eastIke, 1));
        Assert.Equal((1, 7L), TestTraffic.Receive(eastNat, 1));
        // To the very port: the sender has no policy of its own.
        Send(other, new IPEndPoint(shape.EastOuter, 500));
        Assert.True(TestTraffic.ReceivesNothing(eastIke));
    }

    [NamespaceFact("ip")]
    public async Task A_port_that_is_taken_names_the_process_that_has_it()
    {
        using Socket taken = TestTraffic.Open(_network.West, IPAddress.Any, 500);
        await using KernelDataPlane plane = Create();
        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => plane.OpenIkeSocket(new(IPAddress.Parse(TestNetwork.WestOuter4), 500)));
        Assert.Equal(PcpuIpsecError.HostUnable, e.Error);
        Assert.Contains($"UDP {TestNetwork.WestOuter4}:500", e.Message);
        Assert.Contains($"(process {Environment.ProcessId}) has that port", e.Message);
    }

    [NamespaceFact("ip")]
    public async Task The_acquire_expiry_is_5_seconds_while_held_on_demand_and_then_what_it_was()
    {
        const string Setting = "/proc/sys/net/core/xfrm_acq_expires";
        TestNetwork.InNamespace(_network.WestName, $"sh -c \"echo 77 > {Setting}\"");
        TrafficPolicy policy = ManualTunnel.Policy(new TunnelShape(), ofWest: true) with { AcquirePerCpu = true };
        await using (KernelDataPlane plane = Create())
        {
            await plane.HoldAsync(policy, default);
            Assert.Equal("5", Expiry());
            await plane.ReleaseAsync(Connection, default);
            Assert.Equal("77", Expiry());
            await plane.HoldAsync(policy, default);
        }
        Assert.Equal("77", Expiry());

        // What a killed one leaves: lowered, and written down.
        AcquireExpiry expiry = _network.West.Run(() => AcquireExpiry.OfThisNamespace(ProcessIdentity.Current with { StartTime = 1 }));
        _network.West.Run(expiry.Lower);
        Assert.Equal("5", Expiry());
        await using KernelDataPlane next = Create();
        Assert.Equal("77", Expiry());

        string Expiry() => TestNetwork.InNamespace(_network.WestName, $"cat {Setting}").Trim();
    }

    [NamespaceFact("ip")]
    public async Task Policies_that_somebody_flushes_come_back_by_themselves()
    {
        var shape = new TunnelShape();
        using Socket connected = TestTraffic.Open(_network.West, shape.WestInner);
        connected.Connect(shape.EastInner, TestTraffic.Port);
        await using KernelDataPlane plane = Create();
        await plane.HoldAsync(ManualTunnel.Policy(shape, ofWest: true), default);
        using XfrmSocket other = _network.West.Run(XfrmSocket.Open);
        other.FlushPolicies();
        await EmbeddedPlaneTests.Eventually(() => other.Policies().Count == 3);
        await SeeNothingAsync(shape, connected);
    }

    /// <summary>It begins with 8 places; a packet is lost where the kernel doubles it under traffic.</summary>
    [NamespaceFact("ip")]
    public async Task The_kernel_s_table_of_states_has_room_before_there_is_traffic()
    {
        await using KernelDataPlane plane = Create();
        using XfrmSocket xfrm = _network.West.Run(XfrmSocket.Open);
        Assert.Equal(8u, xfrm.StateTable().Buckets);
        await plane.HoldAsync(ManualTunnel.Policy(new TunnelShape(), ofWest: true) with { PerCpu = true }, default);
        XfrmStateTable table = xfrm.StateTable();
        Assert.Equal(0u, table.States);
        Assert.True(table.Buckets > 4 * (1 + HostCpus.Allowed().Count), $"{table.Buckets} places");
    }

    [NamespaceFact("ip")]
    public async Task Another_program_s_policy_is_left_alone_and_named_by_its_reqid()
    {
        TestNetwork.Ip($"-n {_network.WestName} xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 16385 mode tunnel");
        await using KernelDataPlane plane = Create();
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await plane.HoldAsync(ManualTunnel.Policy(new TunnelShape(), ofWest: true), default));
        Assert.Contains("reqid 16385", e.Message);
        await plane.ReleaseAsync(Connection, default);
        Assert.Equal(16385u, Assert.Single(Policies()).Templates[0].RequestId);
    }

    private KernelDataPlane Create(string? name = null)
        => KernelDataPlane.Create(new KernelPlaneOptions { Cpus = HostCpus.Allowed(), NetworkNamespace = TestNetwork.PathOf(name ?? _network.WestName) }, _ => new KernelSupport(Direction: true, PerCpu: true));

    private async Task SeeInClearAsync(TunnelShape shape, Socket connected)
    {
        _wire.Clear();
        SendAll(shape, connected);
        await EmbeddedPlaneTests.Eventually(() => _wire.Packets.Count(p => p.IsPlaintextOf(shape)) >= 2);
    }

    private async Task SeeNothingAsync(TunnelShape shape, Socket connected)
    {
        _wire.Clear();
        SendAll(shape, connected);
        await Task.Delay(100);
        Assert.DoesNotContain(_wire.Packets, p => p.IsPlaintextOf(shape));
    }

    /// <summary>A socket that was connected before, and one that chooses its way now.</summary>
    private void SendAll(TunnelShape shape, Socket connected)
    {
        using Socket fresh = TestTraffic.Open(_network.West, shape.WestInner);
        Send(fresh, new IPEndPoint(shape.EastInner, TestTraffic.Port));
        try
        {
            connected.Send("clear"u8);
        }
        catch (SocketException)
        {
            // Dropped, and told: as good.
        }
    }

    private static void Send(Socket socket, IPEndPoint to)
    {
        try
        {
            socket.SendTo("clear"u8, to);
        }
        catch (SocketException)
        {
            // Dropped, and told: as good.
        }
    }

    private static async Task<DataPlaneEvent> NextAsync(KernelDataPlane plane)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        return await plane.Events.ReadAsync(limit.Token);
    }

    private List<XfrmPolicy> Policies()
    {
        using XfrmSocket xfrm = _network.West.Run(XfrmSocket.Open);
        return xfrm.Policies();
    }

    private List<XfrmInstalledState> States()
    {
        using XfrmSocket xfrm = _network.West.Run(XfrmSocket.Open);
        return xfrm.States();
    }

    private void AssertNothingLeft()
    {
        Assert.Empty(Policies());
        Assert.Empty(States());
    }
}
