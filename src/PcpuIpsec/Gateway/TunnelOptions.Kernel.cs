using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Gateway;

/// <summary>Checks what the kernel data plane alone can do.</summary>
public sealed partial record TunnelOptions
{
    // RFC 9293 §3.7.1: what any host takes. The other end is the longest packet less the shortest headers.
    private const int LeastMss = 536, MostMss = 65495;
    private const int MostRoutes = 256;

    private RoutedInterface? RoutedInterface(IReadOnlyList<TrafficSelector> local, IReadOnlyList<TrafficSelector> remote)
    {
        if (XfrmInterface is not { } options)
            return null;
        const string Field = nameof(XfrmInterface);
        if (Mode == IpsecMode.Transport)
            throw Bad(nameof(Mode), Mode, $"{Words.Value(IpsecMode.Tunnel)}, since {Words.Name(Field)} is given: what is routed into an interface leaves it towards another address");
        if (options.Name is null || !RouteSocket.IsName(options.Name))
            throw Bad($"{Field}.{nameof(options.Name)}", options.Name, $"1 to {RouteSocket.NameLengthAtMost} characters without spaces, '/' and ':'");
        uint id = options.Id ?? KernelIds.RequestIdOf(Name);
        if (id is 0 or KernelIds.RetiredInterfaceId)
            throw Bad($"{Field}.{nameof(options.Id)}", id, $"1 to {uint.MaxValue} but {KernelIds.RetiredInterfaceId}, or null");
        if (options.Mtu is { } mtu)
            InRange(mtu, TunnelMtu.Least, ushort.MaxValue, $"{Field}.{nameof(options.Mtu)}");
        string routes = $"{Field}.{nameof(options.Routes)}";
        if (options.Routes is { Count: > MostRoutes })
            throw Bad(routes, $"{options.Routes.Count} prefixes", $"0 to {MostRoutes}");
        List<IPNetwork> prefixes = options.Routes is { } given
            ? [.. given.Select((text, i) => IPNetwork.TryParse(text, out IPNetwork network) ? network : throw Bad($"{routes}[{i}]", text, "a prefix such as 10.2.0.0/24"))]
            : [.. KernelRoutes.Prefixes(remote)];
        // Our own side is never routed into the interface; where that is everything, nothing is left to choose by.
        if (options.Routes is null && prefixes.Any(p => p.PrefixLength == 0 && KernelRoutes.Prefixes(local).Contains(p)))
            throw Bad(routes, "null", "a list, since both sides' selectors are everything: [] where you set the routes yourself");
        return new RoutedInterface(options.Name, id, options.Mtu, prefixes);
    }

    private SegmentSize? SegmentSize(IReadOnlyList<TrafficSelector> remote)
    {
        MssClamp mss = Mss ?? (XfrmInterface is null ? MssClamp.Off : MssClamp.Auto);
        if (mss.IsOff)
            return null;
        if (mss.Bytes is { } bytes)
            InRange(bytes, LeastMss, MostMss, nameof(Mss));
        if (XfrmInterface is null && KernelRoutes.Prefixes(remote).Any(p => p.PrefixLength == 0))
            throw Bad(nameof(Mss), mss, $"off, or {Words.Name(nameof(XfrmInterface))} beside it, since the remote selectors are everything: all routes of this host would have to be copied");
        return new SegmentSize(mss.Bytes);
    }

    private IReadOnlyList<SelectorPair> Exceptions(IReadOnlyList<TrafficPair> options, string field, IReadOnlyList<TrafficSelector> local, IReadOnlyList<TrafficSelector> remote)
    {
        if (options is null || options.Count > MaxSelectors)
            throw Bad(field, options is null ? null : $"{options.Count} entries", $"0 to {MaxSelectors}");
        var pairs = new SelectorPair[options.Count];
        for (int i = 0; i < pairs.Length; i++)
        {
            string entry = $"{field}[{i}]";
            if (options[i] is not { } option || (option.Local is null && option.Remote is null))
                throw Bad(entry, options[i], $"{Words.Name(nameof(TrafficPair.Local))}, {Words.Name(nameof(TrafficPair.Remote))} or both");
            pairs[i] = new SelectorPair(Side(option.Local, $"{entry}.{nameof(option.Local)}", local), Side(option.Remote, $"{entry}.{nameof(option.Remote)}", remote));
            if (!pairs[i].Local.Any(l => pairs[i].Remote.Any(r => r.IsIPv6 == l.IsIPv6)))
                throw Bad(entry, option, "two sides of one address family");
        }
        return pairs;

        IReadOnlyList<TrafficSelector> Side(SelectorOption? option, string field, IReadOnlyList<TrafficSelector> otherwise)
            // The tunnel's selectors by their addresses: what it carries of them does not matter to what it does not.
            => option is not { } given ? [.. otherwise.Select(s => s with { Protocol = 0, StartPort = 0, EndPort = ushort.MaxValue })]
                : [given.Selector ?? Parsed(given.ToString(), field, TrafficSelector.Parse)];
    }

    private void CheckExceptions(IReadOnlyList<SelectorPair> bypass)
    {
        for (int i = 0; i < Discard.Count; i++)
        {
            if (Bypass.Contains(Discard[i]))
                throw Bad($"{nameof(Discard)}[{i}]", Discard[i], $"what {Words.Name(nameof(Bypass))} has not");
        }
        for (int i = 0; XfrmInterface is not null && i < bypass.Count; i++)
        {
            if (Bypass[i].Local is not null || bypass[i].Remote.Any(r => r.Protocol != 0 || !r.AnyPort))
                throw Bad($"{nameof(Bypass)}[{i}]", Bypass[i], $"{Words.Name(nameof(TrafficPair.Remote))} alone, without protocol and ports, since {Words.Name(nameof(XfrmInterface))} is given and routes know no more");
        }
    }
}
