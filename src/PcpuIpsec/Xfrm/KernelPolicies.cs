using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Xfrm;

/// <summary>A connection's policy as the kernel has it: prefixes and ports under masks, once for each direction. Pure.</summary>
internal static class KernelPolicies
{
    /// <summary>More than this and the kernel would search them for every packet of a new flow.</summary>
    public const int PoliciesAtMost = 4096;

    private const byte Icmp = 1, IcmpV6 = 58, NeighborSolicitation = 135, NeighborAdvertisement = 136;

    /// <summary>
    /// The policies that protect the connection's traffic, those for what leaves first. Each demands an SA (level require):
    /// where there is none the packet is dropped, in either direction.
    /// </summary>
    public static IReadOnlyList<XfrmPolicy> Of(TrafficPolicy policy)
    {
        List<XfrmSelector> outbound = [.. OutboundSelectors(policy.LocalSelectors, policy.RemoteSelectors).Take(PoliciesAtMost + 1)];
        XfrmTemplate leaving = new()
        {
            Source = policy.LocalAddress,
            Destination = policy.RemoteAddress,
            Mode = ModeOf(policy.Mode),
            RequestId = KernelIds.RequestIdOf(policy.Connection),
        };
        XfrmTemplate arriving = leaving with { Source = policy.RemoteAddress, Destination = policy.LocalAddress };
        // What is forwarded is never between the two hosts themselves, which alone transport mode is for.
        XfrmPolicyDirection[] inwards = policy.Mode == IpsecMode.Transport ? [XfrmPolicyDirection.In] : [XfrmPolicyDirection.In, XfrmPolicyDirection.Forward];
        int count = outbound.Count * (1 + inwards.Length);
        if (count > PoliciesAtMost)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption,
                $"The traffic selectors of '{policy.Connection}' make more than {PoliciesAtMost} policies of the kernel's (prefixes and ports under masks, for each direction): allowed are fewer selectors, or ranges that are whole prefixes");
        }

        List<XfrmPolicy> policies = new(count);
        foreach (XfrmSelector selector in outbound)
            policies.Add(Protect(selector, XfrmPolicyDirection.Out, leaving, policy.InterfaceId));
        foreach (XfrmPolicyDirection direction in inwards)
        {
            foreach (XfrmSelector selector in outbound)
                policies.Add(Protect(Reverse(selector), direction, arriving, policy.InterfaceId));
        }
        return policies;
    }

    /// <summary>
    /// What passes in clear or is dropped though the connection's policies cover it: before them, the narrower first, both
    /// ways in each direction, since either side may begin and either may be this host.
    /// </summary>
    public static IReadOnlyList<XfrmPolicy> ExceptionsOf(TrafficPolicy policy)
    {
        // What comes out of an interface is looked up under its number, and what is on its way there without.
        uint[] discardIds = policy.InterfaceId == 0 ? [0] : [0, policy.InterfaceId];
        List<XfrmPolicy> exceptions =
        [
            .. Both(policy.Bypass, XfrmPolicyAction.Allow, [0]).Concat(Both(policy.Discard, XfrmPolicyAction.Block, discardIds)).Take(PoliciesAtMost + 1),
        ];
        if (exceptions.Count > PoliciesAtMost)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"The selectors for bypass and discard of '{policy.Connection}' make more than {PoliciesAtMost} policies of the kernel's: allowed are fewer selectors, or ranges that are whole prefixes");
        return exceptions;

        IEnumerable<XfrmPolicy> Both(IReadOnlyList<SelectorPair> pairs, XfrmPolicyAction action, uint[] interfaceIds)
            => from pair in pairs
               from outbound in OutboundSelectors(pair.Local, pair.Remote)
               from selector in new[] { outbound, Reverse(outbound) }.Distinct()
               from direction in (XfrmPolicyDirection[])[XfrmPolicyDirection.Out, XfrmPolicyDirection.In, XfrmPolicyDirection.Forward]
               from interfaceId in interfaceIds
               select new XfrmPolicy
               {
                   Selector = selector with { User = KernelIds.RequestIdOf(policy.Connection) },
                   Direction = direction,
                   Action = action,
                   Priority = XfrmPriority.Of(selector, XfrmPolicyClass.Pass),
                   InterfaceId = interfaceId,
               };
    }

    /// <summary>
    /// The order in which a connection's policies go: what passes in clear first and what is dropped last, so that at no moment
    /// anything passes that did not before; what leaves after what arrives.
    /// </summary>
    public static int ReleaseOrder(XfrmPolicy policy) => policy switch
    {
        { Action: XfrmPolicyAction.Block } => 3,
        { Templates.Count: 0 } => 0,
        { Direction: XfrmPolicyDirection.Out } => 2,
        _ => 1,
    };

    /// <summary>
    /// Neighbor discovery goes in clear (RFC 4861: it stays on the link, hop limit 255): a policy that covers a neighbor would
    /// else hold the answer that an SA to it needs before it can come up. What has its type and is to be forwarded is none. One
    /// set for all connections.
    /// </summary>
    public static IReadOnlyList<XfrmPolicy> NeighborDiscovery()
    {
        List<XfrmPolicy> policies = [];
        XfrmPrefix any = new(IPAddress.IPv6Any, 0);
        byte[] types = [NeighborSolicitation, NeighborAdvertisement];
        foreach (byte type in types)
        {
            foreach (XfrmPolicyDirection direction in (ReadOnlySpan<XfrmPolicyDirection>)[XfrmPolicyDirection.Out, XfrmPolicyDirection.In])
                Add(type, direction, XfrmPolicyAction.Allow);
        }
        foreach (byte type in types)
            Add(type, XfrmPolicyDirection.Forward, XfrmPolicyAction.Block);
        return policies;

        void Add(byte type, XfrmPolicyDirection direction, XfrmPolicyAction action) => policies.Add(new XfrmPolicy
        {
            Selector = new XfrmSelector { Source = any, Destination = any, Protocol = IcmpV6, SourcePort = XfrmPort.Exactly(type) },
            Direction = direction,
            Action = action,
            // Before every other: a protected /128 is narrower than this.
            Priority = 1,
            Index = KernelIds.FirstNeighborIndex + ((uint)policies.Count * 8) + (uint)direction,
        });
    }

    /// <summary>True where the connection's policies could hold neighbor discovery.</summary>
    public static bool CoverNeighborDiscovery(TrafficPolicy policy)
        => policy.LocalSelectors.Any(MayBeNeighborDiscovery) && policy.RemoteSelectors.Any(MayBeNeighborDiscovery);

    /// <summary>
    /// From ours to the peer's, each once; take no more than are needed. OPAQUE ports, which the kernel cannot tell apart, become
    /// any: held too much rather than too little.
    /// </summary>
    public static IEnumerable<XfrmSelector> OutboundSelectors(IReadOnlyList<TrafficSelector> locals, IReadOnlyList<TrafficSelector> remotes)
        => XfrmSelectors.Cover(locals.Select(WithoutOpaque), [.. remotes.Select(WithoutOpaque)]);

    /// <summary>The same packets' way back; the kernel reads an ICMP packet's type as its source port whichever way it goes.</summary>
    public static XfrmSelector Reverse(XfrmSelector selector)
        => selector.Protocol is Icmp or IcmpV6 ? selector with { Source = selector.Destination, Destination = selector.Source } : selector.Reversed;

    public static XfrmMode ModeOf(IpsecMode mode) => mode == IpsecMode.Transport ? XfrmMode.Transport : XfrmMode.Tunnel;

    /// <summary>What the kernel knows a policy by, but for its mark: none of ours has one.</summary>
    public static (XfrmSelector Selector, XfrmPolicyDirection Direction, uint InterfaceId) KeyOf(XfrmPolicy policy)
        => (policy.Selector, policy.Direction, policy.InterfaceId);

    private static TrafficSelector WithoutOpaque(TrafficSelector selector)
        => selector.OpaquePort ? selector with { StartPort = 0, EndPort = ushort.MaxValue } : selector;

    private static bool MayBeNeighborDiscovery(TrafficSelector selector) => selector is { IsIPv6: true, Protocol: 0 or IcmpV6 };

    private static XfrmPolicy Protect(XfrmSelector selector, XfrmPolicyDirection direction, XfrmTemplate template, uint interfaceId) => new()
    {
        Selector = selector,
        Direction = direction,
        Priority = XfrmPriority.Of(selector, XfrmPolicyClass.Default),
        Templates = [template],
        InterfaceId = interfaceId,
    };
}
