using System.Net;
using System.Net.Sockets;

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
    /// <summary>Any port: 0 to 65535. That includes packets whose port cannot be seen (RFC 4301 §4.4.1.1).</summary>
    internal bool AnyPort => StartPort == 0 && EndPort == ushort.MaxValue;

    /// <summary>Only packets whose port cannot be seen: later fragments, and protocols that have none.</summary>
    internal bool OpaquePort => StartPort == ushort.MaxValue && EndPort == 0;

    /// <summary>The first address.</summary>
    public IPAddress StartAddress => ToAddress(Start, IsIPv6);

    /// <summary>The last address.</summary>
    public IPAddress EndAddress => ToAddress(End, IsIPv6);

    /// <summary>Everything of one family.</summary>
    internal static TrafficSelector Everything(bool isIPv6) => new(isIPv6, 0, 0, ushort.MaxValue, 0, isIPv6 ? UInt128.MaxValue : uint.MaxValue);

    /// <summary>True where the packet's own numbers lie inside. OPAQUE matches no packet whose port is known.</summary>
    internal bool Matches(bool isIPv6, UInt128 address, byte protocol, ushort port)
        => isIPv6 == IsIPv6 && address >= Start && address <= End
            && (Protocol == 0 || Protocol == protocol) && port >= StartPort && port <= EndPort;

    /// <summary>The prefixes that cover the addresses and no others, in ascending order; at most 254.</summary>
    internal IEnumerable<(IPAddress Prefix, int Length)> ToPrefixes()
    {
        int width = IsIPv6 ? 128 : 32;
        for (UInt128 start = Start; ;)
        {
            // The largest block that starts here: aligned to its size, and not past the end.
            int hostBits = Math.Min(width, (int)UInt128.TrailingZeroCount(start));
            while (hostBits > 0 && End - start < LowBits(hostBits))
                hostBits--;

            yield return (ToAddress(start, IsIPv6), width - hostBits);
            if (End - start == LowBits(hostBits))
                yield break;
            start += LowBits(hostBits) + 1;
        }
    }

    internal static UInt128 ToNumber(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int length);
        UInt128 value = 0;
        foreach (byte b in bytes[..length])
            value = (value << 8) | b;
        return value;
    }

    internal static IPAddress ToAddress(UInt128 number, bool isIPv6)
    {
        Span<byte> bytes = stackalloc byte[isIPv6 ? 16 : 4];
        for (int i = bytes.Length - 1; i >= 0; i--, number >>= 8)
            bytes[i] = (byte)number;
        return new IPAddress(bytes);
    }

    /// <summary>The selector of one address, any protocol: what transport mode protects.</summary>
    internal static TrafficSelector ForAddress(IPAddress address)
    {
        UInt128 number = ToNumber(address);
        return new TrafficSelector(address.AddressFamily == AddressFamily.InterNetworkV6, 0, 0, ushort.MaxValue, number, number);
    }

    private static UInt128 LowBits(int count) => count >= 128 ? UInt128.MaxValue : (UInt128.One << count) - 1;
}
