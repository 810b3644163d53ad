using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Tests.Esp;

public sealed class TrafficHoldTests
{
    [Fact]
    public void Each_pair_of_selectors_is_one_rule_each_way()
    {
        List<Rule> rules = Rules("10.1.0.0/16", "10.2.0.0/16");
        Assert.Equal(5, rules.Count);
        Assert.Equal((TrafficHold.PolicyPriority, RuleAction.ToTable, "10.1.0.0/16", "10.2.0.0/16"), (rules[0].Priority, rules[0].Action, $"{rules[0].From}", $"{rules[0].To}"));
        Assert.Equal((TrafficHold.ClosedPriority, RuleAction.Unreachable, "10.1.0.0/16", "10.2.0.0/16"), (rules[1].Priority, rules[1].Action, $"{rules[1].From}", $"{rules[1].To}"));
        Assert.Equal((TrafficHold.RefusePriority, RuleAction.Blackhole, "10.2.0.0/16", "10.1.0.0/16"), (rules[2].Priority, rules[2].Action, $"{rules[2].From}", $"{rules[2].To}"));
        Assert.All(rules, r => Assert.Equal(TrafficHold.TableOf("c"), r.Table));
    }

    [Fact]
    public void Ports_stand_in_the_rules_each_on_its_side()
    {
        TrafficSelector local = Prefix("10.1.0.0/16"), remote = Prefix("10.2.0.0/16") with { Protocol = 6, StartPort = 443, EndPort = 444 };
        List<Rule> rules = Rules(local, remote);
        Assert.All(rules, r => Assert.Equal((byte)6, r.IpProtocol));
        Assert.Equal(((ushort, ushort))(443, 444), rules[0].DestinationPorts);
        Assert.Null(rules[0].SourcePorts);
        Assert.Equal(((ushort, ushort))(443, 444), rules[2].SourcePorts);
        Assert.Null(rules[2].DestinationPorts);
    }

    [Fact]
    public void What_rules_cannot_say_is_held_as_the_whole_protocol()
    {
        // ICMP echo request alone
        List<Rule> rules = Rules(Prefix("10.1.0.0/16"), Prefix("10.2.0.0/16") with { Protocol = 1, StartPort = 0x0800, EndPort = 0x0800 });
        Assert.Equal(((byte?)1, null), (rules[0].IpProtocol, rules[0].DestinationPorts));
    }

    [Fact]
    public void Ranges_are_held_by_the_prefixes_that_make_them_up()
    {
        TrafficSelector range = Prefix("10.2.0.0/32") with { Start = 0x0a020001, End = 0x0a020004 };
        Assert.Equal(["10.2.0.1/32", "10.2.0.2/31", "10.2.0.4/32"], Rules(Prefix("10.1.0.0/16"), range).Where(r => r.Priority == TrafficHold.PolicyPriority && $"{r.From}" != "0.0.0.0/32").Select(r => $"{r.To}"));
    }

    [Fact]
    public void Families_and_protocols_that_do_not_meet_give_no_rule()
    {
        Assert.Empty(Rules(Prefix("10.1.0.0/16"), Prefix("fd02::/16")));
        Assert.Empty(Rules(Prefix("10.1.0.0/16") with { Protocol = 6 }, Prefix("10.2.0.0/16") with { Protocol = 17 }));
    }

    [Fact]
    public void What_this_host_sends_before_it_has_an_address_is_held_too()
    {
        TrafficPolicy policy = Policy(Prefix("10.1.0.0/16"), Prefix("10.2.0.0/16"));
        List<Rule> rules = [.. TrafficHold.RulesOf(policy, 1)];
        Assert.Contains(rules, r => r.Priority == TrafficHold.PolicyPriority && $"{r.From}" == "0.0.0.0/32");

        policy = Policy(Prefix("fd01::/16"), Prefix("fd02::/16"));
        rules = [.. TrafficHold.RulesOf(policy, 1)];
        Assert.Contains(rules, r => r is { Priority: TrafficHold.PolicyPriority, From: null, InputInterface: "lo" });
    }

    [Fact]
    public void A_connections_table_is_the_same_in_every_process()
    {
        // FNV-1a of "a" is 0xe40c292c.
        Assert.Equal(0x540c292cu, TrafficHold.TableOf("a"));
        Assert.NotEqual(TrafficHold.TableOf("a"), TrafficHold.TableOf("b"));
    }

    private static List<Rule> Rules(string local, string remote) => Rules(Prefix(local), Prefix(remote));

    private static List<Rule> Rules(TrafficSelector local, TrafficSelector remote) => [.. TrafficHold.RulesOf(Policy(local, remote), TrafficHold.TableOf("c"))];

    private static TrafficPolicy Policy(TrafficSelector local, TrafficSelector remote) => new()
    {
        Connection = "c",
        Mode = IpsecMode.Tunnel,
        LocalSelectors = [local],
        RemoteSelectors = [remote],
        LocalAddress = IPAddress.Parse("192.0.2.1"),
        RemoteAddress = IPAddress.Parse("192.0.2.2"),
    };

    private static TrafficSelector Prefix(string text)
    {
        var network = IPNetwork.Parse(text);
        bool isIPv6 = network.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6;
        UInt128 start = TrafficSelector.ToNumber(network.BaseAddress);
        int hostBits = (isIPv6 ? 128 : 32) - network.PrefixLength;
        return new TrafficSelector(isIPv6, 0, 0, ushort.MaxValue, start, start + (((UInt128)1 << hostBits) - 1));
    }
}
