using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Netlink;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Netlink;

/// <summary>What goes to the kernel, byte for byte (little-endian hosts).</summary>
public class RouteRequestTests
{
    private readonly FakeKernel _kernel = new();
    private readonly RouteSocket _routes;

    public RouteRequestTests() => _routes = new RouteSocket(new NetlinkSocket(_kernel));

    [Fact]
    public void Set_up_changes_the_one_flag()
    {
        _routes.SetUp(7);
        Sent("""
            20000000 1000 0500 01000000 00000000   # RTM_NEWLINK, REQUEST|ACK
            00 00 0000 07000000 01000000 01000000  # ifinfomsg: index 7, flags IFF_UP, change IFF_UP
            """);
    }

    [Fact]
    public void Set_down_clears_the_one_flag()
    {
        _routes.SetDown(7);
        Sent("20000000 1000 0500 01000000 00000000  00 00 0000 07000000 00000000 01000000");
    }

    [Fact]
    public void Set_mtu_names_the_link_by_index()
    {
        _routes.SetMtu(3, 1400);
        Sent("""
            28000000 1000 0500 01000000 00000000
            00 00 0000 03000000 00000000 00000000
            0800 0400 78050000                     # IFLA_MTU 1400
            """);
    }

    [Fact]
    public void Delete_link_names_it_by_index()
    {
        _routes.DeleteLink(3);
        Sent("20000000 1100 0500 01000000 00000000  00 00 0000 03000000 00000000 00000000");
    }

    [Fact]
    public void A_veth_is_made_with_its_peer_in_a_namespace()
    {
        _routes.CreateVeth(new VethEnd { Name = "a", Queues = 2 }, new VethEnd { Name = "b", Mtu = 9000, Queues = 4, NamespaceFd = 21 });
        Sent("""
            90000000 1000 0506 01000000 00000000   # RTM_NEWLINK, REQUEST|ACK|EXCL|CREATE
            00 00 0000 00000000 00000000 00000000
            0600 0300 61000000                     # IFLA_IFNAME "a"
            0800 0400 dc050000                     # IFLA_MTU 1500
            0800 1f00 02000000                     # IFLA_NUM_TX_QUEUES
            0800 2000 02000000                     # IFLA_NUM_RX_QUEUES
            5000 1200                              # IFLA_LINKINFO
              0900 0100 7665746800000000           # IFLA_INFO_KIND "veth"
              4000 0200                            # IFLA_INFO_DATA
                3c00 0100                          # VETH_INFO_PEER
                  00 00 0000 00000000 00000000 00000000
                  0600 0300 62000000
                  0800 0400 28230000
                  0800 1f00 04000000
                  0800 2000 04000000
                  0800 1c00 15000000               # IFLA_NET_NS_FD 21
            """);
    }

    [Fact]
    public void A_dummy_is_made_by_kind()
    {
        _routes.CreateDummy("d0");
        Sent("""
            38000000 1000 0506 01000000 00000000
            00 00 0000 00000000 00000000 00000000
            0700 0300 64300000
            1000 1200 0a00 0100 64756d6d79000000   # IFLA_LINKINFO { IFLA_INFO_KIND "dummy" }
            """);
    }

    [Fact]
    public void An_IPv4_address_is_local_and_address()
    {
        _routes.AddAddress(2, IPAddress.Parse("10.1.0.1"), 24);
        Sent("""
            28000000 1400 0506 01000000 00000000
            02 18 00 00 02000000                   # ifaddrmsg: AF_INET, /24, index 2
            0800 0200 0a010001                     # IFA_LOCAL
            0800 0100 0a010001                     # IFA_ADDRESS
            """);
    }

    [Fact]
    public void An_IPv6_address_skips_duplicate_address_detection()
    {
        _routes.AddAddress(2, IPAddress.Parse("fd00::1"), 64);
        Sent("""
            48000000 1400 0506 01000000 00000000
            0a 40 00 00 02000000
            1400 0200 fd000000000000000000000000000001
            1400 0100 fd000000000000000000000000000001
            0800 0800 02000000                     # IFA_FLAGS IFA_F_NODAD
            """);
    }

    [Fact]
    public void Delete_address_names_it_wholly()
    {
        _routes.DeleteAddress(2, IPAddress.Parse("10.1.0.1"), 24);
        Sent("28000000 1500 0500 01000000 00000000  02 18 00 00 02000000  0800 0200 0a010001  0800 0100 0a010001");
    }

    [Fact]
    public void A_route_with_everything_is_replaced()
    {
        _routes.ReplaceRoute(new Route
        {
            Destination = IPNetwork.Parse("10.2.0.0/24"),
            OutputInterface = 5,
            Gateway = IPAddress.Parse("10.0.0.2"),
            PreferredSource = IPAddress.Parse("10.1.0.1"),
            Metric = 77,
            Table = 9611,
            Protocol = 96,
            Mtu = 1400,
        });
        Sent("""
            58000000 1800 0505 01000000 00000000   # RTM_NEWROUTE, REQUEST|ACK|REPLACE|CREATE
            02 18 00 00 fc 60 00 01 00000000       # rtmsg: /24, table RT_TABLE_COMPAT, protocol 96, universe, unicast
            0800 0100 0a020000                     # RTA_DST
            0800 0400 05000000                     # RTA_OIF
            0800 0500 0a000002                     # RTA_GATEWAY
            0800 0700 0a010001                     # RTA_PREFSRC
            0800 0600 4d000000                     # RTA_PRIORITY
            0c00 0800 0800 0200 78050000           # RTA_METRICS { RTAX_MTU 1400 }
            0800 0f00 8b250000                     # RTA_TABLE
            """);
    }

    [Fact]
    public void A_route_without_gateway_is_on_the_link()
    {
        _routes.AddRoute(new Route { Destination = IPNetwork.Parse("10.2.0.0/24"), OutputInterface = 5 });
        Sent("""
            34000000 1800 0506 01000000 00000000
            02 18 00 00 fe 04 fd 01 00000000       # scope link
            0800 0100 0a020000
            0800 0400 05000000
            0800 0f00 fe000000
            """);
    }

    [Theory]
    [InlineData("Unreachable", "07")]
    [InlineData("Blackhole", "06")]
    public void A_route_to_nowhere_has_its_type_and_no_interface(string type, string typeByte)
    {
        _routes.AddRoute(new Route { Destination = IPNetwork.Parse("10.2.0.0/24"), Type = Enum.Parse<RouteType>(type) });
        Sent($"""
            2c000000 1800 0506 01000000 00000000
            02 18 00 00 fe 04 00 {typeByte} 00000000
            0800 0100 0a020000
            0800 0f00 fe000000
            """);
    }

    [Fact]
    public void The_IPv6_default_route_has_no_destination()
    {
        _routes.AddRoute(new Route { Destination = IPNetwork.Parse("::/0"), Gateway = IPAddress.Parse("fd00:0:1::1") });
        Sent("""
            38000000 1800 0506 01000000 00000000
            0a 00 00 00 fe 04 00 01 00000000
            1400 0500 fd000000000100000000000000000001
            0800 0f00 fe000000
            """);
    }

    [Fact]
    public void Deleting_a_route_leaves_the_scope_open()
    {
        _routes.DeleteRoute(new Route { Destination = IPNetwork.Parse("10.2.0.0/24") });
        Sent("""
            2c000000 1900 0500 01000000 00000000
            02 18 00 00 fe 04 ff 01 00000000       # RT_SCOPE_NOWHERE: any
            0800 0100 0a020000
            0800 0f00 fe000000
            """);
    }

    [Fact]
    public void A_rule_with_everything_is_added()
    {
        _routes.AddRule(new Rule
        {
            Family = AddressFamily.InterNetwork,
            Priority = 100,
            Table = 9611,
            Invert = true,
            Mark = 0x50,
            MarkMask = 0xf0,
            From = IPNetwork.Parse("10.1.0.0/24"),
            To = IPNetwork.Parse("10.2.0.0/16"),
            InputInterface = "red",
            OutputInterface = "black",
            IpProtocol = 17,
            SourcePorts = (500, 500),
            DestinationPorts = (4500, 4501),
            SuppressPrefixLength = 0,
            Protocol = 96,
        });
        Sent("""
            88000000 2000 0506 01000000 00000000   # RTM_NEWRULE, REQUEST|ACK|EXCL|CREATE
            02 10 18 00 fc 00 00 01 02000000       # fib_rule_hdr: to /16, from /24, compat, FR_ACT_TO_TBL, FIB_RULE_INVERT
            0800 0100 0a020000                     # FRA_DST
            0800 0200 0a010000                     # FRA_SRC
            0800 0300 72656400                     # FRA_IIFNAME "red"
            0a00 1100 626c61636b000000             # FRA_OIFNAME "black"
            0800 0600 64000000                     # FRA_PRIORITY
            0800 0a00 50000000                     # FRA_FWMARK
            0800 1000 f0000000                     # FRA_FWMASK
            0800 0f00 8b250000                     # FRA_TABLE
            0800 0e00 00000000                     # FRA_SUPPRESS_PREFIXLEN
            0500 1500 60000000                     # FRA_PROTOCOL
            0500 1600 11000000                     # FRA_IP_PROTO
            0800 1700 f401 f401                    # FRA_SPORT_RANGE
            0800 1800 9411 9511                    # FRA_DPORT_RANGE
            """);
    }

    [Fact]
    public void An_unreachable_rule_names_no_table()
    {
        _routes.AddRule(new Rule { Family = AddressFamily.InterNetworkV6, Priority = 1, Action = RuleAction.Unreachable });
        Sent("""
            2c000000 2000 0506 01000000 00000000
            0a 00 00 00 00 00 00 07 00000000
            0800 0600 01000000
            0500 1500 04000000
            """);
    }

    [Fact]
    public void A_refusing_rule_carries_a_table_that_it_was_given()
    {
        _routes.AddRule(new Rule { Family = AddressFamily.InterNetworkV6, Priority = 1, Action = RuleAction.Blackhole, Table = 0x50000001 });
        Sent("""
            34000000 2000 0506 01000000 00000000
            0a 00 00 00 fc 00 00 06 00000000
            0800 0600 01000000
            0800 0f00 01000050
            0500 1500 04000000
            """);
    }

    [Fact]
    public void A_rule_that_goes_on_elsewhere_names_its_target()
    {
        _routes.AddRule(new Rule { Family = AddressFamily.InterNetwork, Priority = 8, Action = RuleAction.Goto, Target = 12 });
        Sent("""
            34000000 2000 0506 01000000 00000000
            02 00 00 00 00 00 00 02 00000000
            0800 0600 08000000
            0800 0400 0c000000                     # FRA_GOTO
            0500 1500 04000000
            """);
    }

    [Fact]
    public void A_rule_of_one_family_refuses_a_prefix_of_the_other()
    {
        var rule = new Rule { Family = AddressFamily.InterNetwork, Priority = 5, To = IPNetwork.Parse("fd00::/64") };

        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => _routes.AddRule(rule));

        Assert.Equal(PcpuIpsecError.InvalidOption, e.Error);
        Assert.Contains("fd00::/64", e.Message);
        Assert.Empty(_kernel.Requests);
    }

    [Theory]
    [InlineData("")]
    [InlineData("sixteen-letters!")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("..")]
    public void A_name_that_the_kernel_would_refuse_is_never_sent(string name)
    {
        Assert.Contains($"'{name}'", Assert.Throws<PcpuIpsecException>(() => _routes.CreateDummy(name)).Message);
        Assert.Empty(_kernel.Requests);
    }

    [Fact]
    public void A_prefix_longer_than_the_address_is_never_sent()
    {
        Assert.Throws<PcpuIpsecException>(() => _routes.AddAddress(1, IPAddress.Loopback, 33));
        Assert.Empty(_kernel.Requests);
    }

    [Fact]
    public void A_link_that_is_not_there_is_null_and_another_error_is_not()
    {
        _kernel.Expect(r => [Ack(r, 19)]);
        Assert.Null(_routes.FindLink("none"));

        _kernel.Expect(r => [Ack(r, 1)]);
        Assert.Equal(1, Assert.Throws<NetlinkException>(() => _routes.FindLink("none")).Errno);
    }

    private void Sent(string hex) => Assert.Equal(Convert.ToHexStringLower(Hex(hex)), Convert.ToHexStringLower(Assert.Single(_kernel.Requests)));
}
