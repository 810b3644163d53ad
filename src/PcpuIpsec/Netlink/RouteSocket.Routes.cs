using System.Net;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Netlink;

internal sealed partial class RouteSocket
{
    // RT_SCOPE_*
    private const byte ScopeUniverse = 0, ScopeLink = 253, ScopeNowhere = 255;
    private const byte TableCompat = 252;
    private const uint ClonedFlag = 0x200;

    /// <summary>RTNH_F_ONLINK. The other flags of a nexthop are its state.</summary>
    private const byte OnLinkFlag = 4;

    /// <summary>Adds a route; one of the same prefix, metric and table is an error.</summary>
    public void AddRoute(Route route) => ChangeRoute("add", RouteMessageType.NewRoute, NetlinkFlags.Create | NetlinkFlags.Exclusive, route);

    /// <summary>Adds a route, or puts it in the place of the one with the same prefix, metric and table.</summary>
    public void ReplaceRoute(Route route) => ChangeRoute("replace", RouteMessageType.NewRoute, NetlinkFlags.Create | NetlinkFlags.Replace, route);

    public void DeleteRoute(Route route) => ChangeRoute("delete", RouteMessageType.DelRoute, NetlinkFlags.None, route);

    /// <summary>Deletes a route; false where there is none such.</summary>
    public bool TryDeleteRoute(Route route)
    {
        try
        {
            DeleteRoute(route);
            return true;
        }
        catch (NetlinkException e) when (e.Errno is Libc.ESRCH or Libc.ENODEV)
        {
            return false;
        }
    }

    /// <summary>The routes of both families, of one table or of all; cached ones left out.</summary>
    public List<Route> Routes(uint? table = null)
    {
        var all = new List<Route>();
        foreach (byte family in (ReadOnlySpan<byte>)[AfInet, AfInet6])
        {
            using var request = new NetlinkRequest(RouteMessageType.GetRoute, NetlinkFlags.None);
            request.Struct(new RouteMessage { Family = family });
            if (table is { } number)
                request.U32(RouteAttribute.Table, number);
            try
            {
                all.AddRange(socket.Dump("list routes", request, ParseRoute));
            }
            catch (NetlinkException e) when (table is not null && e.Errno == Libc.ENOENT)
            {
                // There is no such table.
            }
        }
        return table is { } wanted ? all.FindAll(r => r.Table == wanted) : all;
    }

    /// <summary>The way that a packet takes by rules and tables, with the MTU where one is known for it; null where there is none.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="mark">The packet's.</param>
    public Route? RouteTo(IPAddress destination, uint mark = 0)
    {
        using var request = new NetlinkRequest(RouteMessageType.GetRoute, NetlinkFlags.None);
        request.Struct(new RouteMessage { Family = Family(destination), DestinationLength = (byte)(destination.GetAddressBytes().Length * 8) });
        request.Address(RouteAttribute.Destination, destination);
        if (mark != 0)
            request.U32(RouteAttribute.Mark, mark);
        try
        {
            return socket.Get($"get the route to {destination}", request, static (type, payload) => ParseRoute(type, payload, cached: true));
        }
        catch (NetlinkException e) when (e.Errno is Libc.ENETUNREACH or Libc.EHOSTUNREACH or Libc.EACCES or Libc.EINVAL)
        {
            // None, or one that refuses: unreachable, prohibit, blackhole.
            return null;
        }
    }

    private void ChangeRoute(string verb, ushort type, NetlinkFlags flags, Route route)
    {
        IPAddress destination = route.Destination.BaseAddress;
        bool isDelete = type == RouteMessageType.DelRoute;
        using var request = new NetlinkRequest(type, flags);
        request.Struct(new RouteMessage
        {
            Family = Family(destination),
            DestinationLength = (byte)route.Destination.PrefixLength,
            Table = route.Table < 256 ? (byte)route.Table : TableCompat,
            Protocol = route.Protocol,
            Scope = isDelete ? ScopeNowhere : ScopeOf(route),
            Type = (byte)route.Type,
            Flags = route.OnLink ? OnLinkFlag : 0u,
        });
        if (route.Destination.PrefixLength > 0)
            request.Address(RouteAttribute.Destination, destination);
        if (route.NextHopId is { } id)
            request.U32(RouteAttribute.NextHopId, id);
        else
        {
            if (route.OutputInterface is { } index)
                request.U32(RouteAttribute.OutputInterface, (uint)index);
            if (route.Gateway is { } gateway)
                request.Address(RouteAttribute.Gateway, gateway);
            if (route.Via is { } via)
                via.CopyTo(request.Space(RouteAttribute.Via, via.Length));
            // Without its ways the whole route goes.
            if (route.Multipath is { } ways && !isDelete)
                ways.CopyTo(request.Space(RouteAttribute.Multipath, ways.Length));
        }
        if (route.PreferredSource is { } source)
            request.Address(RouteAttribute.PreferredSource, source);
        if (route.Metric is { } metric)
            request.U32(RouteAttribute.Priority, metric);
        if (route.Mtu is not null || route.AdvertisedMss is not null)
        {
            int metrics = request.BeginNest(RouteAttribute.Metrics);
            if (route.Mtu is { } mtu)
                request.U32(RouteAttribute.MetricMtu, (uint)mtu);
            if (route.AdvertisedMss is { } mss)
                request.U32(RouteAttribute.MetricAdvMss, (uint)mss);
            request.EndNest(metrics);
        }
        request.U32(RouteAttribute.Table, route.Table);
        socket.Execute($"{verb} {route.Type.ToString().ToLowerInvariant()} route {route.Destination} in table {route.Table}", request);
    }

    /// <summary>struct rtnexthop, one after the other: length, flags, hops, interface, then attributes. Without what is their state.</summary>
    private static byte[] ReadMultipath(NetlinkAttribute attribute)
    {
        const int Header = 8, Flags = 2;
        byte[] ways = attribute.Payload.ToArray();
        for (int at = 0; at + Header <= ways.Length;)
        {
            int length = BitConverter.ToUInt16(ways, at);
            if (length < Header || at + length > ways.Length)
                throw NetlinkAttributes.Malformed(attribute.Type, ways.Length);
            ways[at + Flags] &= OnLinkFlag;
            at += (length + 3) & ~3;
        }
        return ways;
    }

    /// <summary>How far the destination is: on the link where no gateway leads there (IPv4; IPv6 ignores it).</summary>
    private static byte ScopeOf(Route route)
        => route is { Type: RouteType.Unicast, Gateway: null, Via: null, Multipath: null, NextHopId: null } && Family(route.Destination.BaseAddress) == AfInet ? ScopeLink : ScopeUniverse;

    private static Route? ParseRoute(ushort type, ReadOnlySpan<byte> payload) => ParseRoute(type, payload, cached: false);

    private static Route? ParseRoute(ushort type, ReadOnlySpan<byte> payload, bool cached)
    {
        if (type != RouteMessageType.NewRoute)
            return null;
        RouteMessage header = Read<RouteMessage>(type, payload, out NetlinkAttributes attributes);
        if (header.Family is not (AfInet or AfInet6) || ((header.Flags & ClonedFlag) != 0 && !cached))
            return null;
        IPAddress destination = AnyAddress(header.Family);
        uint table = header.Table;
        int? output = null, mtu = null, advertisedMss = null;
        IPAddress? gateway = null, source = null;
        uint? metric = null, nextHopId = null;
        byte[]? via = null, multipath = null;
        bool isEncapsulating = false;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case RouteAttribute.Destination: destination = attribute.Address; break;
                case RouteAttribute.OutputInterface: output = (int)attribute.U32; break;
                case RouteAttribute.Gateway: gateway = attribute.Address; break;
                case RouteAttribute.Via: via = attribute.Payload.ToArray(); break;
                case RouteAttribute.Multipath: multipath = ReadMultipath(attribute); break;
                case RouteAttribute.Encapsulation: isEncapsulating = true; break;
                case RouteAttribute.NextHopId: nextHopId = attribute.U32; break;
                case RouteAttribute.PreferredSource: source = attribute.Address; break;
                case RouteAttribute.Priority: metric = attribute.U32; break;
                case RouteAttribute.Table: table = attribute.U32; break;
                case RouteAttribute.Metrics:
                    foreach (NetlinkAttribute value in attribute.Nested)
                    {
                        if (value.Type == RouteAttribute.MetricMtu)
                            mtu = (int)value.U32;
                        else if (value.Type == RouteAttribute.MetricAdvMss)
                            advertisedMss = (int)value.U32;
                    }
                    break;
            }
        }
        return new Route
        {
            Destination = new IPNetwork(destination, header.DestinationLength),
            Type = (RouteType)header.Type,
            OutputInterface = output,
            Gateway = gateway,
            OnLink = (header.Flags & OnLinkFlag) != 0,
            Via = via,
            Multipath = multipath,
            NextHopId = nextHopId,
            IsEncapsulating = isEncapsulating,
            PreferredSource = source,
            Metric = metric,
            Table = table,
            Protocol = header.Protocol,
            Mtu = mtu,
            AdvertisedMss = advertisedMss,
        };
    }
}
