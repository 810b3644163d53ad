using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>xfrm_address_t: 16 bytes in network order, of which IPv4 uses the first four; the family stands elsewhere.</summary>
internal struct XfrmAddress
{
    public const ushort Unspecified = 0, IPv4 = 2, IPv6 = 10;

    // Words, not bytes: the kernel's union is aligned to four.
    private uint _word0, _word1, _word2, _word3;

    public static XfrmAddress From(IPAddress address)
    {
        XfrmAddress value = default;
        address.TryWriteBytes(MemoryMarshal.AsBytes(new Span<XfrmAddress>(ref value)), out _);
        return value;
    }

    /// <summary>The address; all zeroes of the family where nothing was set.</summary>
    public readonly IPAddress ToAddress(ushort family)
        => new(MemoryMarshal.AsBytes(new ReadOnlySpan<XfrmAddress>(in this))[..LengthOf(family)]);

    /// <summary>AF_INET or AF_INET6.</summary>
    public static ushort FamilyOf(IPAddress address) => address.AddressFamily switch
    {
        AddressFamily.InterNetwork => IPv4,
        AddressFamily.InterNetworkV6 => IPv6,
        _ => throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"address = {address}: allowed are IPv4 and IPv6 addresses."),
    };

    private static int LengthOf(ushort family) => family switch
    {
        IPv4 => 4,
        IPv6 => 16,
        _ => throw NetlinkAttributes.Malformed(family, Unsafe.SizeOf<XfrmAddress>()),
    };
}

/// <summary>Numbers between host and network order; the change is the same both ways.</summary>
internal static class NetworkOrder
{
    public static ushort Swap(ushort value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;

    public static uint Swap(uint value) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value;
}
