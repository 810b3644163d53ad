using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp;
using PcpuIpsec.Ike;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// Interfaces and routes of connections in one network namespace. Each connection that needs some has a routing table, whose
/// number follows from its name, and a rule for it; its interface carries the connection's request id as its group. So whoever
/// comes after a killed process finds what is the connection's, and nobody else's route is ever changed.
/// <code>
/// 210    without our mark   the table of a connection with an interface: into it, else unreachable; thrown: bypass, our own side
/// 32765  everything         the table of a connection whose segment size is set: the main table's routes with it
/// </code>
/// </summary>
internal sealed class KernelRoutes(RouteSocket routes) : IDisposable
{
    /// <summary>RTPROT_*: a number that no routing daemon has registered, and not the embedded plane's.</summary>
    public const byte Protocol = 197;

    /// <summary>Before strongSwan's 220, and as late as can be: the host's own rules come first where they change the way only.</summary>
    public const uint InterfacePriority = 210, SegmentSizePriority = 32765;

    /// <summary>Table numbers from here on, by 28 bits of a hash.</summary>
    public const uint FirstTable = 0x6000_0000;

    private const uint ThrowMetric = 1, OpenMetric = 2, ClosedMetric = 3;

    private readonly TrafficHold _embedded = new(routes, "", KernelIds.Mark);

    /// <summary>What is left of the path's MTU, by connection, from its first SA on.</summary>
    private readonly Dictionary<string, int> _mtus = [];

    public static uint TableOf(string connection) => FirstTable | ConnectionHash.Of(connection);

    /// <summary>Makes what the policy needs and takes over what is there; what it needs no more goes, the embedded plane's hold included.</summary>
    /// <returns>The number of the policy's interface, where it has one.</returns>
    /// <exception cref="PcpuIpsecException">The interface is another's, or the kernel has none such.</exception>
    public int? Hold(TrafficPolicy policy)
    {
        uint group = KernelIds.RequestIdOf(policy.Connection);
        // What its routes led to is unreachable from here on.
        foreach (Link old in routes.Links().Where(l => l.Group == group && (l.Name != policy.Interface?.Name || l.XfrmInterfaceId != policy.InterfaceId)))
            routes.DeleteLink(old.Index);
        Link? link = policy.Interface is { } wanted ? Ensure(wanted, group) : null;
        Apply(policy, link);
        // Its rules would keep from the policies what they hold for a worker that is not there.
        _embedded.Release(policy.Connection);
        return link?.Index;
    }

    /// <summary>Fits MTU and segment size to an SA that packets now go through.</summary>
    public void Fit(TrafficPolicy policy, SaInstallation sa)
    {
        if (policy.Interface is null && policy.Mss is null)
            return;
        int mtu = TunnelMtu.Inner(PathMtu(sa.Destination, policy.Interface is null ? 0 : KernelIds.Mark), sa);
        _mtus[policy.Connection] = mtu;
        Link? link = policy.Interface is { } wanted ? routes.RequireLink(wanted.Name) : null;
        if (link is not null && policy.Interface!.Mtu is null && link.Group == KernelIds.RequestIdOf(policy.Connection))
        {
            mtu = int.Max(mtu, TunnelMtu.Least);
            if (link.Mtu != mtu)
                routes.SetMtu(link.Index, mtu);
        }
        Apply(policy, link);
    }

    /// <summary>Removes what is the connection's, also what a killed process left.</summary>
    public void Release(string connection)
    {
        uint table = TableOf(connection), group = KernelIds.RequestIdOf(connection);
        _mtus.Remove(connection);
        foreach (Rule rule in Rules(table))
            routes.TryDeleteRule(rule);
        foreach (Route route in routes.Routes(table))
            routes.TryDeleteRoute(route);
        foreach (Link link in routes.Links().Where(l => l.Group == group))
            routes.DeleteLink(link.Index);
        _embedded.Release(connection);
    }

    /// <summary>Removes what holds nothing: a segment size's routes, which are copies. An interface and its routes are part of what holds.</summary>
    public void Leave(TrafficPolicy policy)
    {
        if (policy is { Interface: null, Mss: not null })
            Release(policy.Connection);
    }

    public void Dispose() => routes.Dispose();

    private void Apply(TrafficPolicy policy, Link? link)
    {
        uint table = TableOf(policy.Connection);
        List<Route> wanted = link is null ? [.. SegmentSizeRoutes(policy, table)] : [.. InterfaceRoutes(policy, link, table)];
        List<Route> open = wanted.FindAll(r => r.Type == RouteType.Unicast);
        // Closed first, then the rule, then open: what is held never finds the table without an answer.
        foreach (Route route in wanted.Except(open))
            routes.ReplaceRoute(route);
        List<Rule> rules = [.. wanted.Select(r => r.Destination.BaseAddress.AddressFamily).Distinct().Select(f => RuleOf(f, table, link is not null))];
        List<Rule> there = Rules(table);
        foreach (Rule rule in rules.Where(r => !there.Exists(t => Same(t, r))))
            routes.AddRule(rule);
        if (link is null)
            wanted = [.. wanted.Except(open), .. open.Select(Copied)];
        else
            open.ForEach(routes.ReplaceRoute);
        foreach (Rule old in there.Where(t => !rules.Exists(r => Same(t, r))))
            routes.TryDeleteRule(old);
        foreach (Route old in routes.Routes(table).Where(r => !wanted.Exists(w => Same(w, r))))
            routes.TryDeleteRoute(old);
    }

    /// <summary>A copy that the kernel takes, else nothing in its place: such packets go the main table's way, with its segment size.</summary>
    private Route Copied(Route copy)
    {
        try
        {
            routes.ReplaceRoute(copy);
            return copy;
        }
        catch (NetlinkException e) when (e.Errno != Libc.EPERM)
        {
            Route left = LeftToMain(copy.Destination, copy.Metric, copy.Table);
            routes.ReplaceRoute(left);
            return left;
        }
    }

    private static Route LeftToMain(IPNetwork destination, uint? metric, uint table)
        => new() { Destination = destination, Type = RouteType.Throw, Metric = metric, Table = table, Protocol = Protocol };

    private Link Ensure(RoutedInterface wanted, uint group)
    {
        Link? link = routes.FindLink(wanted.Name);
        if (link is null)
        {
            Create(wanted, group);
            link = routes.RequireLink(wanted.Name);
        }
        else if (link.Kind != "xfrm" || link.XfrmInterfaceId != wanted.Id)
        {
            string what = link.Kind == "xfrm" ? $"an XFRM interface with if_id {link.XfrmInterfaceId}" : $"an interface of kind {link.Kind ?? "hardware"}";
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"XFRM interface: '{wanted.Name}' is there already and {what}; allowed: a name that is free, or that of an XFRM interface with if_id {wanted.Id}");
        }
        else if (KernelIds.IsOurs(link.Group) && link.Group != group)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"XFRM interface: '{wanted.Name}' is another tunnel's; allowed: a name that is free, or that of an interface which no tunnel made");
        if (!link.IsUp && link.Group == group)
            routes.SetUp(link.Index);
        else if (!link.IsUp)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"XFRM interface: '{wanted.Name}' is somebody else's and down; allowed: a name that is free, or that of an interface which is up");
        return link;
    }

    private void Create(RoutedInterface wanted, uint group)
    {
        try
        {
            // Until an SA says what fits, the least that any link has.
            routes.CreateXfrmInterface(wanted.Name, wanted.Id, mtu: wanted.Mtu ?? TunnelMtu.Least, group: group);
        }
        catch (NetlinkException e) when (e.Errno == Libc.EOPNOTSUPP)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"XFRM interface: this kernel has no XFRM interfaces (CONFIG_XFRM_INTERFACE, module xfrm_interface): {e.Message}", e);
        }
        catch (NetlinkException e) when (e.Errno == Libc.EEXIST && routes.Links().Find(l => l.XfrmInterfaceId == wanted.Id) is { } other)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"XFRM interface: if_id {wanted.Id} is that of the interface '{other.Name}'; allowed: an if_id that no other interface has", e);
        }
    }

    private IEnumerable<Route> InterfaceRoutes(TrafficPolicy policy, Link link, uint table)
    {
        List<LinkAddressEntry> own = routes.Addresses();
        foreach (IPNetwork destination in policy.Interface!.Routes.Distinct())
        {
            Route route = new()
            {
                Destination = destination,
                OutputInterface = link.Index,
                PreferredSource = OwnAddresses.Covered(policy, own, destination.BaseAddress.AddressFamily),
                Metric = OpenMetric,
                Table = table,
                Protocol = Protocol,
                AdvertisedMss = SegmentSizeOf(policy, destination.BaseAddress.AddressFamily),
            };
            yield return route;
            // Behind it, should somebody delete the interface or set it down.
            yield return new Route { Destination = destination, Type = RouteType.Unreachable, Metric = ClosedMetric, Table = table, Protocol = Protocol };
        }
        // Our own side is where it was, also where the peer's covers it; the main table knows.
        foreach (IPNetwork here in Prefixes(policy.LocalSelectors).Where(p => p.PrefixLength > 0).Concat(Prefixes(policy.Bypass.SelectMany(b => b.Remote))).Distinct())
            yield return LeftToMain(here, ThrowMetric, table);
    }

    /// <summary>The main table's routes to the peer's side, with the segment size.</summary>
    private IEnumerable<Route> SegmentSizeRoutes(TrafficPolicy policy, uint table)
    {
        if (policy.Mss is null)
            yield break;
        List<Route> main = routes.Routes(Route.MainTable);
        foreach (IPNetwork prefix in Prefixes(policy.RemoteSelectors))
        {
            if (SegmentSizeOf(policy, prefix.BaseAddress.AddressFamily) is not { } mss)
                continue;
            // The outer packets' own way stays the main table's, which may change.
            IPNetwork peer = HostPrefix(policy.RemoteAddress);
            bool coversPeer = policy.Mode == IpsecMode.Tunnel && prefix != peer && prefix.BaseAddress.AddressFamily == peer.BaseAddress.AddressFamily && prefix.Contains(peer.BaseAddress);
            if (coversPeer)
                yield return LeftToMain(peer, ThrowMetric, table);
            if (Covering(main, prefix) is { } covering)
                yield return Copy(covering with { Destination = prefix });
            foreach (Route within in main.Where(r => r.Destination.PrefixLength > prefix.PrefixLength && r.Destination.BaseAddress.AddressFamily == prefix.BaseAddress.AddressFamily && prefix.Contains(r.Destination.BaseAddress) && !(coversPeer && r.Destination == peer)))
                yield return Copy(within);

            // What main refuses it is to refuse.
            Route Copy(Route route) => route.IsEncapsulating || route.Type != RouteType.Unicast
                ? LeftToMain(route.Destination, route.Metric, table)
                : route with { Table = table, Protocol = Protocol, AdvertisedMss = mss };
        }
    }

    private int? SegmentSizeOf(TrafficPolicy policy, AddressFamily family) => policy.Mss switch
    {
        null => null,
        { Bytes: { } bytes } => bytes,
        _ => policy.Interface?.Mtu is { } mtu || _mtus.TryGetValue(policy.Connection, out mtu) ? TunnelMtu.SegmentSize(mtu, family) : null,
    };

    /// <summary>The MTU of the way to an address.</summary>
    private int PathMtu(IPAddress remote, uint mark)
    {
        const int Ethernet = 1500;
        Route? way = routes.RouteTo(remote, mark);
        return way?.Mtu
            ?? (way?.OutputInterface is { } index ? routes.FindLink(index)?.Mtu : null)
            ?? routes.Links().Where(l => l.IsUp && !l.Flags.HasFlag(LinkFlags.Loopback) && l.Kind != "xfrm").Select(l => l.Mtu).DefaultIfEmpty(Ethernet).Min();
    }

    private static Route? Covering(List<Route> main, IPNetwork prefix)
        => main.Where(r => r.Destination.BaseAddress.AddressFamily == prefix.BaseAddress.AddressFamily && r.Destination.PrefixLength <= prefix.PrefixLength && r.Destination.Contains(prefix.BaseAddress))
            .OrderByDescending(r => r.Destination.PrefixLength).ThenBy(r => r.Metric ?? 0).FirstOrDefault();

    internal static IEnumerable<IPNetwork> Prefixes(IEnumerable<TrafficSelector> selectors)
        => selectors.SelectMany(s => s.ToPrefixes()).Select(p => new IPNetwork(p.Item1, p.Item2)).Distinct();

    private static Rule RuleOf(AddressFamily family, uint table, bool intoInterface) => new()
    {
        Family = family,
        Priority = intoInterface ? InterfacePriority : SegmentSizePriority,
        Table = table,
        Protocol = Protocol,
        // What IKE and the SAs send themselves takes the way that it always took.
        Mark = intoInterface ? KernelIds.Mark : null,
        Invert = intoInterface,
    };

    private static bool Same(Rule one, Rule other)
        => one.Family == other.Family && one.Priority == other.Priority && one.Table == other.Table && one.Mark == other.Mark && one.Invert == other.Invert;

    private static bool Same(Route wanted, Route there)
        => wanted.Destination == there.Destination && wanted.Type == there.Type && wanted.OutputInterface == (wanted.Type == RouteType.Unicast ? there.OutputInterface : null)
            && Equals(wanted.Gateway, there.Gateway) && wanted.AdvertisedMss == there.AdvertisedMss && wanted.OnLink == there.OnLink && wanted.NextHopId == there.NextHopId
            && Same(wanted.Via, there.Via) && Same(wanted.Multipath, there.Multipath);

    private static bool Same(byte[]? one, byte[]? other) => one.AsSpan().SequenceEqual(other);

    private static IPNetwork HostPrefix(IPAddress address) => new(address, address.GetAddressBytes().Length * 8);

    private List<Rule> Rules(uint table) => routes.Rules().FindAll(r => r.Table == table && r.Protocol == Protocol);
}
