using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Esp;

/// <summary>
/// Routing that brings protected traffic into the TUN and nowhere else. Each connection has a routing table of its own, with a
/// default route into the TUN and behind it an unreachable one; rules before the main table's send the policy's selectors there.
/// When the process dies the TUN goes and its routes with it: the rules and the unreachable routes stay, and nothing leaves in clear.
/// The table's number follows from the connection's name, so that a later process finds and takes over what an earlier one left.
/// <code>
/// 0   everything            local table (what is for this host)
/// 8   mark of IKE and ESP   goto 13
/// 9   ours to the peer's    the connection's table: TUN, else unreachable
/// 10  ours to the peer's    unreachable: IPv6 passes over routes of other interfaces than the one a socket is bound to
/// 11  from this host        goto 13
/// 11  from the TUN          goto 13
/// 12  the peer's to ours    blackhole: forwarded in clear, though it has to be protected (RFC 4301 §5.2)
/// 13  nothing               the rules that were there go on from here
/// </code>
/// What is in clear and for this host itself the local table has taken before: that is not refused here.
/// </summary>
internal sealed class TrafficHold(RouteSocket routes, string tunName, uint mark)
{
    /// <summary>RTPROT_*: a number that no routing daemon has registered.</summary>
    public const byte Protocol = 196;

    public const uint ExemptPriority = 8, PolicyPriority = 9, ClosedPriority = 10, AcceptPriority = 11, RefusePriority = 12, EndPriority = 13;

    /// <summary>Table numbers from here on, by 28 bits of a hash.</summary>
    public const uint FirstTable = 0x5000_0000;

    private const uint TunMetric = 1, UnreachableMetric = 2;
    private static readonly AddressFamily[] _families = [AddressFamily.InterNetwork, AddressFamily.InterNetworkV6];

    /// <summary>The connection's table.</summary>
    public static uint TableOf(string connection) => FirstTable | ConnectionHash.Of(connection);

    /// <summary>Holds the policy's traffic, first closed and then open into the TUN; what is there already is taken over.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="tunIndex">The TUN.</param>
    /// <param name="source">Our address among the policy's local ones, for each family; what this host itself sends without an address gets it.</param>
    public void Hold(TrafficPolicy policy, int tunIndex, Func<AddressFamily, IPAddress?> source)
    {
        uint table = TableOf(policy.Connection);
        List<Rule> wanted = [.. RulesOf(policy, table)];
        AddressFamily[] families = [.. _families.Where(f => wanted.Any(r => r.Family == f))];
        foreach (AddressFamily family in families)
            routes.ReplaceRoute(Unreachable(family, table));
        // What all connections share comes first: from the first policy rule on IKE and ESP would else go into the TUN themselves.
        foreach (Rule rule in families.SelectMany(Shared))
            Ensure(rule);
        foreach (Rule rule in wanted)
            Ensure(rule);
        foreach (Rule rule in OwnRules(table))
        {
            if (!wanted.Exists(w => SameMatch(w, rule)))
                routes.TryDeleteRule(rule);
        }
        foreach (AddressFamily family in families)
            routes.ReplaceRoute(IntoTun(family, table, tunIndex, source(family)));
    }

    /// <summary>Ends the hold; also that of a process that is gone.</summary>
    public void Release(string connection)
    {
        uint table = TableOf(connection);
        foreach (Rule rule in OwnRules(table))
            routes.TryDeleteRule(rule);
        foreach (Route route in routes.Routes(table))
            routes.TryDeleteRoute(route);
        List<Rule> left = routes.Rules().FindAll(r => r.Protocol == Protocol);
        if (left.Exists(r => r.Priority is PolicyPriority or ClosedPriority or RefusePriority))
            return;
        foreach (Rule rule in left)
            routes.TryDeleteRule(rule);
    }

    /// <summary>How many rules hold a connection's traffic.</summary>
    public int CountRules(string connection) => OwnRules(TableOf(connection)).Count;

    /// <summary>One rule for each pair of prefixes and ports of the local and the remote selectors.</summary>
    internal static IEnumerable<Rule> RulesOf(TrafficPolicy policy, uint table)
    {
        foreach (TrafficSelector local in policy.LocalSelectors)
        {
            foreach (TrafficSelector remote in policy.RemoteSelectors)
            {
                if (local.IsIPv6 != remote.IsIPv6 || (local.Protocol != 0 && remote.Protocol != 0 && local.Protocol != remote.Protocol))
                    continue;
                byte protocol = local.Protocol != 0 ? local.Protocol : remote.Protocol;
                foreach ((IPAddress from, int fromLength) in local.ToPrefixes())
                {
                    foreach ((IPAddress to, int toLength) in remote.ToPrefixes())
                    {
                        var rule = new Rule
                        {
                            Family = from.AddressFamily,
                            Priority = PolicyPriority,
                            Table = table,
                            From = new IPNetwork(from, fromLength),
                            To = new IPNetwork(to, toLength),
                            IpProtocol = protocol == 0 ? null : protocol,
                            SourcePorts = Ports(local, protocol),
                            DestinationPorts = Ports(remote, protocol),
                            Protocol = Protocol,
                        };
                        yield return rule;
                        yield return Closed(rule);
                        yield return Refusal(rule);
                        // What this host itself sends may have no source address yet when it is routed, and get one of the
                        // protected ones then, also one that comes later.
                        if (fromLength == 0)
                            continue;
                        yield return WithoutSource(rule);
                        yield return Closed(WithoutSource(rule));
                    }
                }
            }
        }
    }

    /// <summary>
    /// The same packets the other way round, arriving in clear. The table says whose the rule is; the kernel does not look at it.
    /// </summary>
    private static Rule Refusal(Rule rule) => rule with
    {
        Priority = RefusePriority,
        Action = RuleAction.Blackhole,
        From = rule.To,
        To = rule.From,
        SourcePorts = rule.DestinationPorts,
        DestinationPorts = rule.SourcePorts,
    };

    /// <summary>What the table has no answer for goes no further.</summary>
    private static Rule Closed(Rule rule) => rule with { Priority = ClosedPriority, Action = RuleAction.Unreachable };

    /// <summary>IPv4 rules match a source that is not chosen yet as 0.0.0.0/32; IPv6 ones look at the interface "lo", which stands for this host.</summary>
    private static Rule WithoutSource(Rule rule) => rule.Family == AddressFamily.InterNetwork
        ? rule with { From = new IPNetwork(IPAddress.Any, 32) }
        : rule with { From = null, InputInterface = "lo" };

    /// <summary>
    /// Ports as rules have them. Where a rule cannot say what the selector does (ICMP types, protocols without ports, OPAQUE) it takes
    /// the whole protocol, and the worker drops what the policy does not cover: held too much rather than too little.
    /// </summary>
    private static (ushort, ushort)? Ports(TrafficSelector selector, byte protocol)
    {
        const byte Tcp = 6, Udp = 17, Sctp = 132, Dccp = 33;
        return selector.AnyPort || selector.Protocol == 0 || selector.StartPort > selector.EndPort || selector.StartPort == 0 || protocol is not (Tcp or Udp or Sctp or Dccp)
            ? null
            : (selector.StartPort, selector.EndPort);
    }

    private IEnumerable<Rule> Shared(AddressFamily family)
    {
        // The target before those who go there.
        yield return new Rule { Family = family, Priority = EndPriority, Action = RuleAction.Nop, Table = 0, Protocol = Protocol };
        Rule skip = new() { Family = family, Priority = AcceptPriority, Action = RuleAction.Goto, Target = EndPriority, Table = 0, Protocol = Protocol };
        yield return skip with { Priority = ExemptPriority, Mark = mark };
        yield return skip with { InputInterface = "lo" };
        yield return skip with { InputInterface = tunName };
    }

    private static Route Unreachable(AddressFamily family, uint table) => new()
    {
        Destination = Everything(family),
        Type = RouteType.Unreachable,
        Metric = UnreachableMetric,
        Table = table,
        Protocol = Protocol,
    };

    private static Route IntoTun(AddressFamily family, uint table, int tunIndex, IPAddress? source) => new()
    {
        Destination = Everything(family),
        OutputInterface = tunIndex,
        PreferredSource = source,
        Metric = TunMetric,
        Table = table,
        Protocol = Protocol,
    };

    private static IPNetwork Everything(AddressFamily family) => new(family == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, 0);

    private List<Rule> OwnRules(uint table) => routes.Rules().FindAll(r => r.Table == table && r.Protocol == Protocol);

    // The kernel reports a prefix of length 0 as none.
    private static bool SamePrefix(IPNetwork? one, IPNetwork? other)
        => (one is { PrefixLength: > 0 } ? one : null) == (other is { PrefixLength: > 0 } ? other : null);

    private static bool SameMatch(Rule one, Rule other)
        => one.Family == other.Family && one.Priority == other.Priority && SamePrefix(one.From, other.From) && SamePrefix(one.To, other.To)
            && one.InputInterface == other.InputInterface && (one.IpProtocol ?? 0) == (other.IpProtocol ?? 0)
            && one.SourcePorts == other.SourcePorts && one.DestinationPorts == other.DestinationPorts;

    private void Ensure(Rule rule)
    {
        try
        {
            routes.AddRule(rule);
        }
        catch (NetlinkException e) when (e.Errno == Libc.EEXIST)
        {
            // Left by an earlier process, or by an equal selector: it holds already.
        }
    }
}
