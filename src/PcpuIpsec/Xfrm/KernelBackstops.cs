using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// What is dropped behind every tunnel's policies, for a packet that a connection is to protect may come to none of them:
/// as a fragment, or by a way that leads past the connection's interface. Pure.
/// </summary>
internal static class KernelBackstops
{
    private const byte Icmp = 1;

    /// <summary>Unreachable, time exceeded, parameter problem (RFC 792).</summary>
    private static readonly byte[] _icmpErrors = [3, 11, 12];

    /// <param name="policy">The connection's policy.</param>
    /// <param name="interfaceIndex">Its interface; null while there is none: nothing is let into it.</param>
    public static IReadOnlyList<XfrmPolicy> Of(TrafficPolicy policy, int? interfaceIndex)
    {
        List<XfrmSelector> outbound = [.. KernelPolicies.OutboundSelectors(policy.LocalSelectors, policy.RemoteSelectors)];
        List<XfrmPolicy> backstops = [.. Fragments(policy, outbound)];
        if (policy.Interface is not null)
            backstops.AddRange(BesideInterface(policy, outbound, interfaceIndex));
        if (backstops.Count > KernelPolicies.PoliciesAtMost)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption,
                $"The traffic selectors of '{policy.Connection}' make {backstops.Count} policies of the kernel's that drop what is not protected; allowed are {KernelPolicies.PoliciesAtMost}: fewer selectors, or ranges that are whole prefixes");
        }
        return backstops;
    }

    /// <summary>
    /// In what it forwards the kernel reads no port of a fragment, not even of the first: both are 0, ICMP's type and code too
    /// (__skb_flow_dissect without FLOW_DISSECTOR_F_PARSE_1ST_FRAG). What is for this host is whole when it is judged.
    /// </summary>
    private static IEnumerable<XfrmPolicy> Fragments(TrafficPolicy policy, List<XfrmSelector> outbound)
    {
        foreach (XfrmSelector fragment in outbound.Where(s => !IsZero(s.SourcePort) || !IsZero(s.DestinationPort)).Select(s => s with { SourcePort = XfrmPort.Exactly(0), DestinationPort = XfrmPort.Exactly(0) }).Distinct())
        {
            yield return Make(policy, fragment, XfrmPolicyDirection.Out, XfrmPolicyAction.Block);
            if (policy.Mode == IpsecMode.Tunnel)
                yield return Make(policy, KernelPolicies.Reverse(fragment), XfrmPolicyDirection.Forward, XfrmPolicyAction.Block);
        }

        static bool IsZero(XfrmPort port) => (port.Value & port.Mask) == 0;
    }

    /// <summary>
    /// The policies of an interface are asked inside it, so without the routes that lead there none would be. What is
    /// forwarded must leave by the interface, and nothing of it may have come in clear. Of what this host itself sends the
    /// kernel knows the way with IPv4 alone when it asks (ip_route_output_flow; ip6_dst_lookup_flow does not set the
    /// interface): there IPv6 cannot be told apart. Nor can the ICMP errors of its own (icmp_route_lookup), which pass.
    /// </summary>
    private static IEnumerable<XfrmPolicy> BesideInterface(TrafficPolicy policy, List<XfrmSelector> outbound, int? interfaceIndex)
    {
        XfrmSelector[] routed = [.. outbound.SelectMany(s => Routed(s, policy.Interface!.Routes)).Distinct()];
        HashSet<XfrmPolicy> made = [];
        foreach (XfrmSelector selector in routed)
        {
            XfrmSelector back = KernelPolicies.Reverse(selector);
            bool isIPv4 = selector.Family == XfrmAddress.IPv4;
            if (isIPv4)
                made.Add(Make(policy, selector, XfrmPolicyDirection.Out, XfrmPolicyAction.Block));
            made.Add(Make(policy, selector, XfrmPolicyDirection.Forward, XfrmPolicyAction.Block));
            made.Add(Make(policy, back, XfrmPolicyDirection.In, XfrmPolicyAction.Block));
            made.Add(Make(policy, back, XfrmPolicyDirection.Forward, XfrmPolicyAction.Block));
            if (interfaceIndex is not { } index)
                continue;
            if (isIPv4)
                made.Add(Make(policy, selector with { InterfaceIndex = index }, XfrmPolicyDirection.Out, XfrmPolicyAction.Allow));
            made.Add(Make(policy, selector with { InterfaceIndex = index }, XfrmPolicyDirection.Forward, XfrmPolicyAction.Allow));
            if (isIPv4 && selector.Protocol is 0 or Icmp && selector.SourcePort.Mask == 0)
            {
                foreach (byte type in _icmpErrors)
                    made.Add(Make(policy, selector with { Protocol = Icmp, SourcePort = XfrmPort.Exactly(type) }, XfrmPolicyDirection.Out, XfrmPolicyAction.Allow));
            }
        }
        return made.Concat(OwnSide(policy, routed));
    }

    /// <summary>The part of a selector that is routed into the interface.</summary>
    private static IEnumerable<XfrmSelector> Routed(XfrmSelector selector, IReadOnlyList<IPNetwork> routes)
    {
        var whole = new IPNetwork(selector.Destination.Address, selector.Destination.Length);
        foreach (IPNetwork route in routes.Where(r => Overlap(r, whole)))
            yield return route.PrefixLength <= whole.PrefixLength ? selector : selector with { Destination = new XfrmPrefix(route.BaseAddress, route.PrefixLength) };
    }

    /// <summary>Our own side keeps its ways, as it does by the interface's routes, where the peer's covers it.</summary>
    private static IEnumerable<XfrmPolicy> OwnSide(TrafficPolicy policy, XfrmSelector[] routed)
    {
        IPNetwork[] own = [.. KernelRoutes.Prefixes(policy.LocalSelectors).Where(p => p.PrefixLength > 0)];
        if (!own.Any(p => routed.Any(r => Overlap(p, new IPNetwork(r.Destination.Address, r.Destination.Length)))))
            return [];
        return
            from source in own
            from destination in own
            where source.BaseAddress.AddressFamily == destination.BaseAddress.AddressFamily
            from direction in (XfrmPolicyDirection[])[XfrmPolicyDirection.Out, XfrmPolicyDirection.In, XfrmPolicyDirection.Forward]
            let selector = new XfrmSelector { Source = new XfrmPrefix(source.BaseAddress, source.PrefixLength), Destination = new XfrmPrefix(destination.BaseAddress, destination.PrefixLength) }
            select Make(policy, selector, direction, XfrmPolicyAction.Allow);
    }

    private static bool Overlap(IPNetwork one, IPNetwork other)
        => one.BaseAddress.AddressFamily == other.BaseAddress.AddressFamily && (one.Contains(other.BaseAddress) || other.Contains(one.BaseAddress));

    /// <summary>Of the same selector what passes comes before what is dropped.</summary>
    private static XfrmPolicy Make(TrafficPolicy policy, XfrmSelector selector, XfrmPolicyDirection direction, XfrmPolicyAction action) => new()
    {
        Selector = selector with { User = KernelIds.RequestIdOf(policy.Connection) },
        Direction = direction,
        Action = action,
        Priority = XfrmPriority.Of(selector, XfrmPolicyClass.Fallback, boundToInterface: action == XfrmPolicyAction.Allow),
    };
}
