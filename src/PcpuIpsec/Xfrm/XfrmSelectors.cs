using System.Net;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Xfrm;

/// <summary>Traffic selectors, which are ranges (RFC 7296 §3.13), as the kernel's selectors, which are prefixes and masks.</summary>
internal static class XfrmSelectors
{
    private const byte Icmp = 1, IcmpV6 = 58;

    /// <summary>
    /// The selectors that together cover what goes from one traffic selector to another, and nothing else; none where their
    /// families or protocols exclude each other.
    /// </summary>
    /// <exception cref="PcpuIpsecException">A selector is of OPAQUE ports, which the kernel cannot tell apart.</exception>
    public static IEnumerable<XfrmSelector> Cover(TrafficSelector source, TrafficSelector destination)
    {
        if (source.IsIPv6 != destination.IsIPv6 || (source.Protocol != destination.Protocol && source.Protocol != 0 && destination.Protocol != 0))
            return [];
        if (source.OpaquePort || destination.OpaquePort)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"selectors = {source} to {destination}: OPAQUE ports (RFC 7296 §3.13.1) are not allowed, the kernel cannot tell them apart.");
        byte protocol = Math.Max(source.Protocol, destination.Protocol);
        List<(XfrmPort Source, XfrmPort Destination)> ports = [.. protocol is Icmp or IcmpV6 ? IcmpPorts(source, destination) : PortPairs(source, destination)];
        return
            from near in source.ToPrefixes()
            from far in destination.ToPrefixes()
            from port in ports
            select new XfrmSelector
            {
                Source = Prefix(near),
                Destination = Prefix(far),
                Protocol = protocol,
                SourcePort = port.Source,
                DestinationPort = port.Destination,
            };
    }

    /// <summary>
    /// As <see cref="Cover(TrafficSelector, TrafficSelector)"/>, for each of the sources to each of the destinations. Made while
    /// they are asked for: two ranges of addresses and ports alone can be millions.
    /// </summary>
    public static IEnumerable<XfrmSelector> Cover(IEnumerable<TrafficSelector> sources, IReadOnlyList<TrafficSelector> destinations)
        => sources.SelectMany(source => destinations.SelectMany(destination => Cover(source, destination))).Distinct();

    private static XfrmPrefix Prefix((IPAddress Prefix, int Length) prefix) => new(prefix.Prefix, prefix.Length);

    private static IEnumerable<(XfrmPort, XfrmPort)> PortPairs(TrafficSelector source, TrafficSelector destination)
        => from s in Masks(source.StartPort, source.EndPort, 16)
           from d in Masks(destination.StartPort, destination.EndPort, 16)
           select (s, d);

    /// <summary>
    /// Type and code are one number in the traffic selector and two ports in the kernel, which shifts the type into the
    /// source port and the code into the destination port. Whole types keep one entry; parts of one are split by code.
    /// </summary>
    private static IEnumerable<(XfrmPort, XfrmPort)> IcmpPorts(TrafficSelector source, TrafficSelector destination)
    {
        int first = Math.Max(source.StartPort, destination.StartPort), last = Math.Min(source.EndPort, destination.EndPort);
        foreach (XfrmPort both in Masks(first, last, 16))
        {
            // A block lies within one type, or is made of whole types.
            yield return (new XfrmPort((ushort)(both.Value >> 8), both.Mask == 0 ? (ushort)0 : (ushort)(0xff00 | (both.Mask >> 8))),
                (both.Mask & 0xff) == 0 ? XfrmPort.Any : new XfrmPort((ushort)(both.Value & 0xff), (ushort)(0xff00 | (both.Mask & 0xff))));
        }
    }

    /// <summary>The aligned blocks that make up a range, in ascending order.</summary>
    private static IEnumerable<XfrmPort> Masks(int start, int end, int width)
    {
        while (start <= end)
        {
            int bits = start == 0 ? width : Math.Min(width, int.TrailingZeroCount(start));
            while (start + (1 << bits) - 1 > end)
                bits--;
            yield return new XfrmPort((ushort)start, (ushort)~((1 << bits) - 1));
            start += 1 << bits;
        }
    }
}
