using System.Net;

namespace PcpuIpsec.Ike;

/// <summary>
/// One traffic selector (RFC 7296 §3.13.1): a protocol, a port range and an address range of one family.
/// Ports of ICMP and ICMPv6 hold the type in the upper and the code in the lower eight bits.
/// </summary>
/// <param name="IsIPv6">The family.</param>
/// <param name="Protocol">IP protocol; 0 is any.</param>
/// <param name="StartPort">First port; 0 with end 65535 is any, 65535 with end 0 is OPAQUE.</param>
/// <param name="EndPort">Last port.</param>
/// <param name="Start">First address as a number (IPv4 in the low 32 bits).</param>
/// <param name="End">Last address.</param>
public sealed partial record TrafficSelector(bool IsIPv6, byte Protocol, ushort StartPort, ushort EndPort, UInt128 Start, UInt128 End)
{
    /// <summary>Any port: 0 to 65535.</summary>
    internal bool AnyPort => StartPort == 0 && EndPort == ushort.MaxValue;

    /// <summary>True where the packet's own numbers lie inside.</summary>
    internal bool Matches(bool isIPv6, UInt128 address, byte protocol, ushort port)
        => isIPv6 == IsIPv6 && address >= Start && address <= End
            && (Protocol == 0 || (Protocol == protocol && port >= StartPort && port <= EndPort));

    internal static UInt128 ToNumber(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int length);
        UInt128 value = 0;
        foreach (byte b in bytes[..length])
            value = (value << 8) | b;
        return value;
    }

    /// <summary>The first address.</summary>
    public IPAddress StartAddress => throw new NotSupportedException();

    /// <summary>The last address.</summary>
    public IPAddress EndAddress => throw new NotSupportedException();

    /// <summary>Reads a selector.</summary>
    public static TrafficSelector Parse(string text) => throw new NotSupportedException();

    internal TrafficSelector? Intersect(TrafficSelector other) => throw new NotSupportedException();

    internal bool Contains(TrafficSelector other) => throw new NotSupportedException();

    internal bool IsSubsetOf(IReadOnlyList<TrafficSelector> selectors) => throw new NotSupportedException();

    internal static IReadOnlyList<TrafficSelector> Narrow(IReadOnlyList<TrafficSelector> offered, IReadOnlyList<TrafficSelector> allowed) => throw new NotSupportedException();

    internal static bool SameAs(IReadOnlyList<TrafficSelector> one, IReadOnlyList<TrafficSelector> other) => throw new NotSupportedException();

    internal IEnumerable<(IPAddress Prefix, int Length)> ToPrefixes() => throw new NotSupportedException();
}
