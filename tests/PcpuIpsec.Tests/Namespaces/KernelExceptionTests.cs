using System.Globalization;
using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Xfrm;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Bypass, discard, and routes with a segment size, on this host's kernel, which needs no ESP for them.</summary>
[Collection("namespaces")]
public sealed class KernelExceptionTests : IDisposable
{
    private const string Connection = ManualTunnel.Connection;

    /// <summary>In east, beside <see cref="TestNetwork.EastInner4"/>.</summary>
    private const string Passing = "10.2.5.1", Dropped = "10.2.6.1";

    private readonly TestNetwork _network = new();
    private readonly WireCapture _wire;

    public KernelExceptionTests()
    {
        TestNetwork.Ip($"-n {_network.EastName} addr add {Passing}/32 dev lo");
        TestNetwork.Ip($"-n {_network.EastName} addr add {Dropped}/32 dev lo");
        _wire = _network.CaptureInEast();
    }

    public void Dispose()
    {
        _wire.Dispose();
        _network.Dispose();
    }

    [NamespaceFact("ip")]
    public async Task A_bypass_passes_in_clear_both_ways_a_discard_never_and_both_outlive_the_process()
    {
        await using (KernelDataPlane plane = Create())
        {
            await plane.HoldAsync(Policy(), default);
            Assert.Equal([Passing], await SeenAsync());
            Assert.Equal([Passing], Answered());
            IReadOnlyDictionary<string, long> drops = plane.ReadDropCounters();
            Assert.True(drops["XfrmOutPolBlock"] > 0 && drops["XfrmInPolBlock"] > 0, string.Join(", ", drops.Where(d => d.Value != 0)));
        }
        Assert.Equal([Passing], await SeenAsync());

        await using KernelDataPlane next = Create();
        Assert.Equal(PriorHold.Held, await next.HoldAsync(Policy(), default));
        Assert.Equal([Passing], await SeenAsync());
        await next.ReleaseAsync(Connection, default);
        Assert.Equal([TestNetwork.EastInner4, Passing, Dropped], await SeenAsync());
        Assert.Equal("", TestNetwork.Ip($"-n {_network.WestName} xfrm policy"));
        Assert.Equal("", TestNetwork.Ip($"-n {_network.WestName} xfrm state"));
    }

    [NamespaceFact("ip")]
    public async Task Another_daemon_s_bypass_of_the_same_selector_is_left_beside_ours()
    {
        TestNetwork.Ip($"-n {_network.WestName} xfrm policy add src 10.1.0.0/16 dst 10.2.5.0/24 dir out priority 9");
        await using KernelDataPlane plane = Create();
        await plane.HoldAsync(Policy(), default);
        await plane.ReleaseAsync(Connection, default);
        using XfrmSocket xfrm = _network.West.Run(XfrmSocket.Open);
        Assert.Equal(9u, Assert.Single(xfrm.Policies()).Priority);
    }

    [NamespaceFact("ip")]
    public async Task A_segment_size_is_put_on_routes_of_our_own_that_follow_the_hosts_and_go_with_the_tunnel()
    {
        TestNetwork.Ip($"-n {_network.WestName} route add 10.2.5.0/24 via {TestNetwork.EastOuter4} dev wire metric 50");
        string before = Routing();
        TrafficPolicy policy = Policy() with { Bypass = [], Discard = [], Mss = new SegmentSize(1300) };
        await using (KernelDataPlane plane = Create())
        {
            await plane.HoldAsync(policy, default);
            Assert.All(["10.2.0.1", "10.2.5.1"], to => Assert.Contains("advmss 1300", RouteTo(to)));
            Assert.Contains("via " + TestNetwork.EastOuter4, RouteTo("10.2.5.1"));
            Assert.DoesNotContain("advmss", RouteTo("10.3.0.1"));
            // The host's own rules come before.
            TestNetwork.Ip($"-n {_network.WestName} rule add to 10.2.5.0/24 lookup main priority 1000");
            Assert.DoesNotContain("advmss", RouteTo("10.2.5.1"));
            TestNetwork.Ip($"-n {_network.WestName} rule del priority 1000");
        }
        await using KernelDataPlane next = Create();
        await next.HoldAsync(policy with { Mss = new SegmentSize(1200) }, default);
        Assert.Contains("advmss 1200", RouteTo("10.2.0.1"));
        Assert.DoesNotContain("1300", Routing());
        await next.ReleaseAsync(Connection, default);
        Assert.Equal(before, Routing());

        string RouteTo(string address) => TestNetwork.Ip($"-n {_network.WestName} -d route get {address} from {TestNetwork.WestInner4}");
    }

    [NamespaceTheory]
    [InlineData("route add 10.2.5.0/24 nexthop via 192.0.2.2 weight 3 nexthop via 192.0.2.3", "nexthop via 192.0.2.3")]
    [InlineData("route add 10.2.5.0/24 via 198.51.100.7 dev wire onlink", "via 198.51.100.7 dev wire")]
    [InlineData("route add 10.2.5.0/24 via inet6 2001:db8::2 dev wire", "via inet6 2001:db8::2")]
    [InlineData("nexthop add id 5 via 192.0.2.2 dev wire; route add 10.2.5.0/24 nhid 5", "nhid 5")]
    [InlineData("-6 route add fd02:5::/64 nexthop via 2001:db8::2 nexthop via 2001:db8::3", "nexthop via 2001:db8::3")]
    public async Task A_route_of_any_form_is_copied_with_the_segment_size(string commands, string way)
    {
        foreach (string command in commands.Split("; "))
            TestNetwork.Ip($"-n {_network.WestName} {command}");
        bool isIPv6 = commands.StartsWith("-6", StringComparison.Ordinal);
        string table = KernelRoutes.TableOf(Connection).ToString(CultureInfo.InvariantCulture);
        await using KernelDataPlane plane = Create();
        TrafficPolicy policy = Policy() with { Bypass = [], Discard = [], Mss = new SegmentSize(1300), RemoteSelectors = [TrafficSelector.Parse(isIPv6 ? "fd02:5::/48" : "10.2.0.0/16")], LocalSelectors = [TrafficSelector.Parse(isIPv6 ? "fd01::/64" : "10.1.0.0/16")] };
        await plane.HoldAsync(policy, default);
        string copies = Copies();
        Assert.Contains(way, copies);
        Assert.Contains("advmss 1300", copies);
        Assert.DoesNotContain("throw", copies);
        // Held again it is the same, and nothing is left of it.
        await plane.HoldAsync(policy, default);
        Assert.Equal(copies, Copies());
        await plane.ReleaseAsync(Connection, default);
        Assert.DoesNotContain(table, Routing());

        string Copies() => TestNetwork.Ip($"-n {_network.WestName} {(isIPv6 ? "-6 " : "")}route show table {table}");
    }

    [NamespaceFact("ip")]
    public async Task A_route_that_wraps_packets_stays_the_main_table_s()
    {
        TestNetwork.Ip($"-n {_network.WestName} route add 10.2.5.0/24 encap ip id 5 dst 192.0.2.9 dev wire");
        await using KernelDataPlane plane = Create();
        await plane.HoldAsync(Policy() with { Bypass = [], Discard = [], Mss = new SegmentSize(1300) }, default);
        Assert.Contains("encap", TestNetwork.Ip($"-n {_network.WestName} -d route get 10.2.5.1 from {TestNetwork.WestInner4}"));
        Assert.Contains("advmss 1300", TestNetwork.Ip($"-n {_network.WestName} -d route get 10.2.6.1 from {TestNetwork.WestInner4}"));
        await plane.ReleaseAsync(Connection, default);
    }

    [NamespaceTheory]
    [InlineData("unreachable 10.2.5.0/24", "10.2.5.0/24")]
    [InlineData("blackhole 10.2.5.0/24", "10.2.5.0/24")]
    [InlineData("prohibit 10.2.0.0/15", "10.2.0.0/16")]
    public async Task What_the_main_table_refuses_it_still_refuses(string route, string left)
    {
        TestNetwork.Ip($"-n {_network.WestName} route add {route}");
        await using KernelDataPlane plane = Create();
        await plane.HoldAsync(Policy() with { Bypass = [], Discard = [], Mss = new SegmentSize(1300) }, default);
        string copies = TestNetwork.Ip($"-n {_network.WestName} route show table {KernelRoutes.TableOf(Connection)}");
        Assert.Contains("throw " + left, copies);
        Assert.DoesNotMatch($"(?m)^{left} ", copies);
        await plane.ReleaseAsync(Connection, default);
    }

    [NamespaceFact("ip")]
    public async Task The_peer_s_own_address_keeps_its_way_where_the_segment_size_s_routes_cover_it()
    {
        await using KernelDataPlane plane = Create();
        await plane.HoldAsync(Policy() with { Bypass = [], Discard = [], Mss = new SegmentSize(1300), RemoteSelectors = [TrafficSelector.Parse("0.0.0.0/0")] }, default);
        Assert.DoesNotContain("advmss", TestNetwork.Ip($"-n {_network.WestName} -d route get {TestNetwork.EastOuter4}"));
        Assert.Contains("advmss 1300", TestNetwork.Ip($"-n {_network.WestName} -d route get {TestNetwork.EastInner4}"));
        await plane.ReleaseAsync(Connection, default);
    }

    [NamespaceFact("ip")]
    public void A_route_s_own_MTU_is_the_path_s()
    {
        TestNetwork.Ip($"-n {_network.WestName} route add {TestNetwork.EastOuter4}/32 dev wire mtu 1400");
        using KernelRoutes routes = new(_network.West.Run(RouteSocket.Open));
        TrafficPolicy policy = Policy() with { Mss = new SegmentSize(null) };
        routes.Hold(policy);
        routes.Fit(policy, KernelPlaneBench.Outbound(1));
        Assert.Contains("advmss 1306", Routing());
        routes.Release(Connection);
    }

    [NamespaceFact("ip")]
    public void A_segment_size_that_fits_is_known_with_the_first_SA()
    {
        string before = Routing();
        using KernelRoutes routes = new(_network.West.Run(RouteSocket.Open));
        TrafficPolicy policy = Policy() with { Mss = new SegmentSize(null) };
        routes.Hold(policy);
        Assert.Equal(before, Routing());
        routes.Fit(policy, KernelPlaneBench.Outbound(1));
        // 1500 less 54 for AES-GCM in tunnel mode less 40.
        Assert.Contains("advmss 1406", Routing());
        routes.Fit(policy, KernelPlaneBench.Outbound(2) with { Encapsulation = new UdpEncapsulation(4500, 4500) });
        Assert.Contains("advmss 1398", Routing());
        Assert.DoesNotContain("advmss 1406", Routing());
        routes.Release(Connection);
        Assert.Equal(before, Routing());
    }

    [NamespaceFact("ip")]
    public async Task An_interface_that_is_somebody_elses_is_refused_and_one_that_the_kernel_lacks_is_told()
    {
        await using KernelDataPlane plane = Create();
        string before = Routing();
        TrafficPolicy policy = Policy() with { Bypass = [], Discard = [], Interface = new RoutedInterface("wire", 42, null, [IPNetwork.Parse("10.2.0.0/16")]) };
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await plane.HoldAsync(policy, default));
        Assert.Contains("'wire' is there already and an interface of kind veth", e.Message);
        Assert.Equal("", TestNetwork.Ip($"-n {_network.WestName} xfrm policy"));

        policy = policy with { Interface = policy.Interface with { Name = "ipsec0" } };
        try
        {
            await plane.HoldAsync(policy, default);
        }
        catch (PcpuIpsecException unable)
        {
            Assert.Contains("CONFIG_XFRM_INTERFACE", unable.Message);
            Assert.Equal("", TestNetwork.Ip($"-n {_network.WestName} xfrm policy"));
            Assert.Equal(before, Routing());
            return;
        }
        Assert.Contains("dev ipsec0", Routing());
        await plane.ReleaseAsync(Connection, default);
        Assert.Equal(before, Routing());
    }

    private static TrafficPolicy Policy() => ManualTunnel.Policy(new TunnelShape(), ofWest: true) with
    {
        LocalSelectors = [TrafficSelector.Parse("10.1.0.0/16")],
        RemoteSelectors = [TrafficSelector.Parse("10.2.0.0/16")],
        Bypass = [new([TrafficSelector.Parse("10.1.0.0/16")], [TrafficSelector.Parse("10.2.5.0/24")])],
        Discard = [new([TrafficSelector.Parse("10.1.0.0/16")], [TrafficSelector.Parse("10.2.6.0/24")])],
    };

    private KernelDataPlane Create()
        => KernelDataPlane.Create(new KernelPlaneOptions { Cpus = HostCpus.Allowed(), NetworkNamespace = TestNetwork.PathOf(_network.WestName) }, _ => new KernelSupport(Direction: true, PerCpu: true));

    /// <summary>Sends to each of east's addresses.</summary>
    /// <returns>Those that were seen on the wire, in clear.</returns>
    private async Task<string[]> SeenAsync()
    {
        string[] all = [TestNetwork.EastInner4, Passing, Dropped];
        _wire.Clear();
        using Socket west = TestTraffic.Open(_network.West, IPAddress.Parse(TestNetwork.WestInner4));
        foreach (string address in all)
        {
            try
            {
                west.SendTo("clear"u8, new IPEndPoint(IPAddress.Parse(address), TestTraffic.Port));
            }
            catch (SocketException)
            {
                // Dropped, and told.
            }
        }
        await Task.Delay(150);
        return [.. all.Where(a => _wire.Packets.Any(p => p.Protocol == 17 && p.Destination.ToString() == a))];
    }

    /// <summary>Sends from each of east's addresses.</summary>
    /// <returns>Those from which something came.</returns>
    private string[] Answered()
    {
        using Socket west = TestTraffic.Open(_network.West, IPAddress.Parse(TestNetwork.WestInner4), TestTraffic.Port);
        List<string> seen = [];
        foreach (string address in (string[])[TestNetwork.EastInner4, Passing, Dropped])
        {
            using Socket east = TestTraffic.Open(_network.East, IPAddress.Parse(address));
            east.SendTo("clear"u8, new IPEndPoint(IPAddress.Parse(TestNetwork.WestInner4), TestTraffic.Port));
            if (!TestTraffic.ReceivesNothing(west))
                seen.Add(address);
        }
        return [.. seen];
    }

    /// <summary>Rules, routes and links, but for link-local addresses, which come late.</summary>
    private string Routing()
    {
        string[] questions = ["rule", "-6 rule", "-d route show table all", "-d -6 route show table all", "-d link"];
        IEnumerable<string> lines = questions.SelectMany(q => TestNetwork.Ip($"-n {_network.WestName} {q}").Split('\n')).Where(line => !line.Contains("fe80::", StringComparison.Ordinal));
        return string.Join('\n', lines);
    }
}
