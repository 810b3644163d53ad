using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>An address and how many of its bits count. Unlike <see cref="IPNetwork"/> it may have host bits set, as other daemons' selectors do.</summary>
internal readonly record struct XfrmPrefix(IPAddress Address, int Length)
{
    public static XfrmPrefix Host(IPAddress address) => new(address, address.GetAddressBytes().Length * 8);

    public static XfrmPrefix Parse(string text)
    {
        IPNetwork network = IPNetwork.Parse(text);
        return new XfrmPrefix(network.BaseAddress, network.PrefixLength);
    }

    public override string ToString() => $"{Address}/{Length}";
}

/// <summary>A port and the bits of it that count: mask 0 is any port. ICMP has its type as source port and its code as destination port.</summary>
internal readonly record struct XfrmPort(ushort Value, ushort Mask)
{
    public static XfrmPort Any => default;

    public static XfrmPort Exactly(ushort value) => new(value, ushort.MaxValue);
}

/// <summary>Which packets a policy or a state is for, seen in the direction of travel (struct xfrm_selector).</summary>
internal sealed record XfrmSelector
{
    public required XfrmPrefix Source { get; init; }
    public required XfrmPrefix Destination { get; init; }

    /// <summary>0 is any.</summary>
    public byte Protocol { get; init; }

    public XfrmPort SourcePort { get; init; }
    public XfrmPort DestinationPort { get; init; }

    /// <summary>0 is any.</summary>
    public int InterfaceIndex { get; init; }

    public uint User { get; init; }

    public ushort Family => XfrmAddress.FamilyOf(Destination.Address);

    /// <summary>The same flow the other way.</summary>
    public XfrmSelector Reversed => this with { Source = Destination, Destination = Source, SourcePort = DestinationPort, DestinationPort = SourcePort };

    /// <summary>
    /// The pair of traffic selectors (RFC 7296 §3.13) that says the same: how an acquire's trigger goes into TSi and TSr.
    /// </summary>
    public (TrafficSelector Source, TrafficSelector Destination) ToTrafficSelectors()
    {
        const byte Icmp = 1, IcmpV6 = 58;
        if (Protocol is not (Icmp or IcmpV6))
            return (Selector(Source, SourcePort), Selector(Destination, DestinationPort));

        // Both of the pair have type and code in their port (RFC 4301 §4.4.1.1); a code without its type says nothing.
        XfrmPort type = SourcePort, code = type.Mask == 0 ? default : DestinationPort;
        var both = new XfrmPort((ushort)((type.Value << 8) | (code.Value & 0xff)), (ushort)((type.Mask << 8) | (code.Mask & 0xff)));
        return (Selector(Source, both), Selector(Destination, both));

        TrafficSelector Selector(XfrmPrefix prefix, XfrmPort port)
        {
            bool isIPv6 = XfrmAddress.FamilyOf(prefix.Address) == XfrmAddress.IPv6;
            int hostBits = (isIPv6 ? 128 : 32) - prefix.Length;
            UInt128 low = hostBits >= 128 ? UInt128.MaxValue : (UInt128.One << hostBits) - 1;
            UInt128 first = TrafficSelector.ToNumber(prefix.Address) & ~low;
            ushort firstPort = (ushort)(port.Value & port.Mask);
            return new TrafficSelector(isIPv6, Protocol, firstPort, (ushort)(firstPort | ~port.Mask), first, first | low);
        }
    }

    internal void Write(ref XfrmSelectorStruct selector)
    {
        ushort family = Family;
        int width = family == XfrmAddress.IPv6 ? 128 : 32;
        if (XfrmAddress.FamilyOf(Source.Address) != family || Source.Length < 0 || Source.Length > width || Destination.Length < 0 || Destination.Length > width)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"selector = {this}: both prefixes are of one family, with 0 to {width} bits.");
        selector.Destination = XfrmAddress.From(Destination.Address);
        selector.Source = XfrmAddress.From(Source.Address);
        selector.DestinationPort = NetworkOrder.Swap(DestinationPort.Value);
        selector.DestinationPortMask = NetworkOrder.Swap(DestinationPort.Mask);
        selector.SourcePort = NetworkOrder.Swap(SourcePort.Value);
        selector.SourcePortMask = NetworkOrder.Swap(SourcePort.Mask);
        selector.Family = family;
        selector.DestinationPrefixLength = (byte)Destination.Length;
        selector.SourcePrefixLength = (byte)Source.Length;
        selector.Protocol = Protocol;
        selector.InterfaceIndex = InterfaceIndex;
        selector.User = User;
    }

    /// <summary>Null where the family is not set, as with states of both families.</summary>
    internal static XfrmSelector? From(in XfrmSelectorStruct selector)
        => selector.Family == XfrmAddress.Unspecified ? null : Require(selector);

    internal static XfrmSelector Require(in XfrmSelectorStruct selector)
    {
        int width = selector.Family == XfrmAddress.IPv6 ? 128 : 32;
        if (selector.SourcePrefixLength > width || selector.DestinationPrefixLength > width)
            throw NetlinkAttributes.Malformed(selector.Family, Math.Max(selector.SourcePrefixLength, selector.DestinationPrefixLength));
        return new XfrmSelector
        {
            Source = new XfrmPrefix(selector.Source.ToAddress(selector.Family), selector.SourcePrefixLength),
            Destination = new XfrmPrefix(selector.Destination.ToAddress(selector.Family), selector.DestinationPrefixLength),
            Protocol = selector.Protocol,
            SourcePort = new XfrmPort(NetworkOrder.Swap(selector.SourcePort), NetworkOrder.Swap(selector.SourcePortMask)),
            DestinationPort = new XfrmPort(NetworkOrder.Swap(selector.DestinationPort), NetworkOrder.Swap(selector.DestinationPortMask)),
            InterfaceIndex = selector.InterfaceIndex,
            User = selector.User,
        };
    }

    public override string ToString()
        => $"{Source}{Port(SourcePort)} → {Destination}{Port(DestinationPort)}{(Protocol == 0 ? "" : $" protocol {Protocol}")}{(InterfaceIndex == 0 ? "" : $" by link {InterfaceIndex}")}";

    private static string Port(XfrmPort port) => port.Mask switch
    {
        0 => "",
        ushort.MaxValue => $" port {port.Value}",
        _ => $" port {port.Value} of {port.Mask:x4}",
    };
}
