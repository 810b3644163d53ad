using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>rtnetlink against the real kernel: what was added is listed as it was meant, and goes when it is deleted.</summary>
[Collection("namespaces")]
public sealed class RouteSocketTests : IDisposable
{
    private const int Eexist = 17, Enodev = 19, Eopnotsupp = 95, Enetunreach = 101;

    private readonly TemporaryNamespace _namespace = new();
    private readonly RouteSocket _routes;

    public RouteSocketTests() => _routes = _namespace.Namespace.OpenRoutes();

    public void Dispose()
    {
        _routes.Dispose();
        _namespace.Dispose();
    }

    [NamespaceFact]
    public void A_fresh_namespace_has_its_loopback_and_it_is_up()
    {
        Link lo = Assert.Single(_routes.Links(), l => l.Flags.HasFlag(LinkFlags.Loopback));
        Assert.Equal(("lo", 1, true), (lo.Name, lo.Index, lo.IsUp));
        Assert.Contains(_routes.Addresses(1), a => a.Address.Equals(IPAddress.Loopback));
    }

    [NamespaceFact]
    public void An_interface_goes_through_its_life()
    {
        CreatePair("d0");
        Link link = _routes.RequireLink("d0");
        Assert.Equal(("veth", false, 1500, 6), (link.Kind, link.IsUp, link.Mtu, link.HardwareAddress.Length));

        _routes.SetUp(link.Index);
        _routes.SetMtu(link.Index, 1400);
        link = _routes.FindLink(link.Index)!;
        Assert.Equal((true, 1400), (link.IsUp, link.Mtu));

        _routes.SetDown(link.Index);
        Assert.False(_routes.RequireLink("d0").IsUp);
        _routes.DeleteLink(link.Index);
        Assert.Null(_routes.FindLink("d0"));
        Assert.Null(_routes.FindLink(link.Index));
        Assert.Equal(Enodev, Assert.Throws<NetlinkException>(() => _routes.RequireLink("d0")).Errno);
        Assert.Equal(Eexist, Assert.Throws<NetlinkException>(() =>
        {
            CreatePair("d1");
            CreatePair("d1");
        }).Errno);
    }

    [NamespaceFact]
    public void A_dummy_is_made_where_the_kernel_knows_them_and_refused_with_its_words_elsewhere()
    {
        try
        {
            _routes.CreateDummy("d0");
        }
        catch (NetlinkException e) when (e.Errno == Eopnotsupp)
        {
            Assert.Equal("Unknown device type", e.KernelText);
            return;
        }
        Assert.Equal("dummy", _routes.RequireLink("d0").Kind);
    }

    [NamespaceFact]
    public void A_veth_has_its_queues_and_its_peer_is_born_in_the_other_namespace()
    {
        using var other = new TemporaryNamespace();
        using (SafeFileHandle fd = other.Namespace.Open())
        {
            _routes.CreateVeth(
                new VethEnd { Name = "left", Mtu = 1400, Queues = 2 },
                new VethEnd { Name = "right", Mtu = 1300, Queues = 3, NamespaceFd = (int)fd.DangerousGetHandle() });
        }
        using RouteSocket there = other.Namespace.OpenRoutes();

        Link left = _routes.RequireLink("left"), right = there.RequireLink("right");

        Assert.Equal(("veth", 1400, 2, 2, (int?)right.Index), (left.Kind, left.Mtu, left.TxQueues, left.RxQueues, left.PeerIndex));
        Assert.Equal(("veth", 1300, 3, 3, (int?)left.Index), (right.Kind, right.Mtu, right.TxQueues, right.RxQueues, right.PeerIndex));
        Assert.Null(_routes.FindLink("right"));
    }

    [NamespaceFact]
    public void Addresses_of_both_families_are_added_listed_and_deleted()
    {
        int index = UpLink();
        IPAddress v4 = IPAddress.Parse("10.1.0.1"), v6 = IPAddress.Parse("fd00:0:1::1");

        _routes.AddAddress(index, v4, 24);
        _routes.AddAddress(index, v6, 64);

        Assert.Contains(new LinkAddressEntry(index, v4, 24, Tentative: false), _routes.Addresses(index));
        Assert.Contains(new LinkAddressEntry(index, v6, 64, Tentative: false), _routes.Addresses(index));
        Assert.Equal(Eexist, Assert.Throws<NetlinkException>(() => _routes.AddAddress(index, v4, 24)).Errno);

        _routes.DeleteAddress(index, v4, 24);
        _routes.DeleteAddress(index, v6, 64);
        Assert.DoesNotContain(_routes.Addresses(index), a => a.Address.Equals(v4) || a.Address.Equals(v6));
    }

    [NamespaceFact]
    public void A_route_reads_back_as_it_was_written()
    {
        int index = UpLink();
        _routes.AddAddress(index, IPAddress.Parse("10.0.0.1"), 24);
        _routes.AddAddress(index, IPAddress.Parse("fd00::1"), 64);
        Route[] written =
        [
            new Route { Destination = IPNetwork.Parse("10.2.0.0/24"), Gateway = IPAddress.Parse("10.0.0.2"), OutputInterface = index, PreferredSource = IPAddress.Parse("10.0.0.1"), Metric = 77, Table = 9611, Protocol = 96, Mtu = 1400 },
            new Route { Destination = IPNetwork.Parse("fd00:0:2::/64"), Gateway = IPAddress.Parse("fd00::2"), OutputInterface = index, Metric = 77, Table = 9611, Protocol = 96, Mtu = 1400 },
            new Route { Destination = IPNetwork.Parse("10.3.0.0/24"), Type = RouteType.Blackhole, Metric = 5, Table = 9611, Protocol = 96 },
            new Route { Destination = IPNetwork.Parse("10.4.0.0/24"), Type = RouteType.Unreachable, Metric = 5, Table = 9611, Protocol = 96 },
            new Route { Destination = IPNetwork.Parse("0.0.0.0/0"), Type = RouteType.Unicast, OutputInterface = index, Table = 9611, Protocol = 96 },
        ];

        foreach (Route route in written)
            _routes.AddRoute(route);

        Assert.Equal(written.OrderBy(r => r.Destination.ToString()), _routes.Routes(9611).OrderBy(r => r.Destination.ToString()));

        foreach (Route route in written)
            _routes.DeleteRoute(route);
        Assert.Empty(_routes.Routes(9611));
        Assert.False(_routes.TryDeleteRoute(written[0]));
    }

    [NamespaceFact]
    public void Add_refuses_a_second_route_and_replace_puts_it_in_the_first_ones_place()
    {
        int index = UpLink();
        var first = new Route { Destination = IPNetwork.Parse("10.2.0.0/24"), OutputInterface = index, Metric = 5 };
        Route second = first with { OutputInterface = null, Type = RouteType.Unreachable };
        _routes.AddRoute(first);

        Assert.Equal(Eexist, Assert.Throws<NetlinkException>(() => _routes.AddRoute(first)).Errno);
        _routes.ReplaceRoute(second);

        Assert.Equal(RouteType.Unreachable, Assert.Single(_routes.Routes(Route.MainTable), r => r.Destination == first.Destination).Type);
    }

    [NamespaceFact]
    public void An_unreachable_IPv6_route_is_listed_as_one()
    {
        var route = new Route { Destination = IPNetwork.Parse("fd00:0:9::/64"), Type = RouteType.Unreachable, Metric = 4000 };
        _routes.AddRoute(route);
        Assert.Equal(RouteType.Unreachable, Assert.Single(_routes.Routes(), r => r.Destination == route.Destination).Type);
        Assert.True(_routes.TryDeleteRoute(route));
    }

    [NamespaceFact]
    public void The_kernels_own_words_are_in_the_error()
    {
        var route = new Route { Destination = IPNetwork.Parse("10.2.0.0/24"), Gateway = IPAddress.Parse("192.0.2.1") };

        NetlinkException e = Assert.Throws<NetlinkException>(() => _routes.AddRoute(route));

        Assert.Equal(Enetunreach, e.Errno);
        Assert.Equal("Nexthop has invalid gateway", e.KernelText);
        Assert.Contains("add unicast route 10.2.0.0/24 in table 254", e.Message);
    }

    [NamespaceFact]
    public void The_offset_points_at_the_offending_attribute()
    {
        using NetlinkSocket socket = _namespace.Namespace.Run(() => NetlinkSocket.Open(NetlinkProtocol.Route));
        NetlinkException e = Assert.Throws<NetlinkException>(() =>
        {
            using var request = new NetlinkRequest(RouteMessageType.NewLink, NetlinkFlags.Create);
            request.Struct(new InterfaceInfoMessage());
            request.U8(LinkAttribute.Mtu, 1); // Four bytes are expected.
            socket.Execute("set a short MTU", request);
        });
        Assert.Equal(32, e.Offset);
        Assert.NotNull(e.KernelText);
    }

    [NamespaceFact]
    public void A_rule_reads_back_as_it_was_written()
    {
        Rule[] written =
        [
            new Rule
            {
                Family = AddressFamily.InterNetwork, Priority = 100, Table = 9611, Invert = true, Mark = 0x50, MarkMask = 0xf0,
                From = IPNetwork.Parse("10.1.0.0/24"), To = IPNetwork.Parse("10.2.0.0/16"), InputInterface = "red", OutputInterface = "black",
                IpProtocol = 17, SourcePorts = (500, 500), DestinationPorts = (4500, 4501), SuppressPrefixLength = 0, Protocol = 96,
            },
            new Rule { Family = AddressFamily.InterNetworkV6, Priority = 101, Table = 9611, To = IPNetwork.Parse("fd00:0:2::/64"), Protocol = 96 },
            new Rule { Family = AddressFamily.InterNetwork, Priority = 102, Action = RuleAction.Unreachable, Table = 0, To = IPNetwork.Parse("10.2.0.0/24"), Protocol = 96 },
        ];

        foreach (Rule rule in written)
            _routes.AddRule(rule);

        Assert.Equal(written.OrderBy(r => r.Priority), _routes.Rules().Where(r => r.Protocol == 96).OrderBy(r => r.Priority));
        Assert.Equal(Eexist, Assert.Throws<NetlinkException>(() => _routes.AddRule(written[0])).Errno);

        foreach (Rule rule in written)
            _routes.DeleteRule(rule);
        Assert.DoesNotContain(_routes.Rules(), r => r.Protocol == 96);
        Assert.False(_routes.TryDeleteRule(written[0]));
    }

    [NamespaceFact]
    public void A_dump_of_a_thousand_routes_is_whole()
    {
        int index = UpLink();
        for (int i = 0; i < 1000; i++)
            _routes.AddRoute(new Route { Destination = new IPNetwork(new IPAddress([10, (byte)(100 + (i >> 8)), (byte)i, 0]), 24), OutputInterface = index, Table = 9611 });

        Assert.Equal(1000, _routes.Routes(9611).Select(r => r.Destination).Distinct().Count());
    }

    private int UpLink()
    {
        CreatePair("d0");
        int index = _routes.RequireLink("d0").Index;
        _routes.SetUp(index);
        _routes.SetUp(_routes.RequireLink("d0-peer").Index);
        return index;
    }

    private void CreatePair(string name) => _routes.CreateVeth(new VethEnd { Name = name }, new VethEnd { Name = name + "-peer" });
}
