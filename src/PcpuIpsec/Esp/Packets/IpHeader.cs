using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace PcpuIpsec.Esp.Packets;

/// <summary>Fields of IPv4 and IPv6 headers (RFC 791, RFC 8200), and the Internet checksum (RFC 1071).</summary>
internal static class IpHeader
{
    public const int IPv4Length = 20;
    public const int IPv6Length = 40;

    /// <summary>The hop limit of headers that are made here.</summary>
    public const byte DefaultHopLimit = 64;

    /// <summary>The length of the header that carries such addresses.</summary>
    public static int LengthOf(IPAddress address) => address.AddressFamily == AddressFamily.InterNetworkV6 ? IPv6Length : IPv4Length;

    /// <summary>DSCP and ECN of an IPv4 or IPv6 packet.</summary>
    public static byte TrafficClass(ReadOnlySpan<byte> packet)
        => packet[0] >> 4 == 4 ? packet[1] : (byte)((packet[0] << 4) | (packet[1] >> 4));

    /// <summary>Changes DSCP and ECN, and the IPv4 header checksum with them.</summary>
    public static void SetTrafficClass(Span<byte> packet, byte value)
    {
        if (packet[0] >> 4 == 4)
        {
            ushort before = BinaryPrimitives.ReadUInt16BigEndian(packet);
            packet[1] = value;
            UpdateChecksum(packet[10..], before, BinaryPrimitives.ReadUInt16BigEndian(packet));
        }
        else
        {
            packet[0] = (byte)(0x60 | (value >> 4));
            packet[1] = (byte)((value << 4) | (packet[1] & 0x0f));
        }
    }

    /// <summary>Writes an IPv4 header of 20 bytes with its checksum.</summary>
    public static void WriteIPv4(Span<byte> header, byte trafficClass, int totalLength, ushort id, bool dontFragment, byte protocol, uint source, uint destination)
    {
        header[0] = 0x45;
        header[1] = trafficClass;
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)totalLength);
        BinaryPrimitives.WriteUInt16BigEndian(header[4..], id);
        BinaryPrimitives.WriteUInt16BigEndian(header[6..], dontFragment ? (ushort)0x4000 : (ushort)0);
        header[8] = DefaultHopLimit;
        header[9] = protocol;
        header[10] = header[11] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(header[12..], source);
        BinaryPrimitives.WriteUInt32BigEndian(header[16..], destination);
        WriteChecksum(header[..IPv4Length], 10);
    }

    /// <summary>Writes an IPv6 header.</summary>
    public static void WriteIPv6(Span<byte> header, byte trafficClass, int payloadLength, byte nextHeader, UInt128 source, UInt128 destination)
    {
        BinaryPrimitives.WriteUInt32BigEndian(header, (6u << 28) | ((uint)trafficClass << 20));
        BinaryPrimitives.WriteUInt16BigEndian(header[4..], (ushort)payloadLength);
        header[6] = nextHeader;
        header[7] = DefaultHopLimit;
        BinaryPrimitives.WriteUInt128BigEndian(header[8..], source);
        BinaryPrimitives.WriteUInt128BigEndian(header[24..], destination);
    }

    /// <summary>Puts the checksum of the whole span at an offset in it.</summary>
    public static void WriteChecksum(Span<byte> data, int offset)
    {
        data[offset] = data[offset + 1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(data[offset..], Fold(Sum(data)));
    }

    /// <summary>The sum of 16-bit words, an odd byte at the end counted as the upper half of one; of whole spans in a row where <paramref name="start"/> is given.</summary>
    public static ulong Sum(ReadOnlySpan<byte> data, ulong start = 0)
    {
        ulong sum = start;
        // Four bytes at a time: the one's complement sum of 32-bit words folds to that of 16-bit words (RFC 1071 §2 C).
        while (data.Length >= 4)
        {
            sum += BinaryPrimitives.ReadUInt32BigEndian(data);
            data = data[4..];
        }
        if (data.Length >= 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(data);
            data = data[2..];
        }
        return data.IsEmpty ? sum : sum + ((ulong)data[0] << 8);
    }

    /// <summary>The checksum for a sum: folded and complemented.</summary>
    public static ushort Fold(ulong sum)
    {
        sum = (sum >> 32) + (uint)sum;
        while (sum > ushort.MaxValue)
            sum = (sum >> 16) + (ushort)sum;
        return (ushort)~sum;
    }

    /// <summary>The sum over the pseudo-header of an upper protocol (RFC 9293 §3.1, RFC 8200 §8.1).</summary>
    public static ulong PseudoHeaderSum(UInt128 source, UInt128 destination, byte protocol, int length)
        => WordSum(source) + WordSum(destination) + protocol + (uint)length;

    private static ulong WordSum(UInt128 value)
        => (uint)(value >> 96) + (ulong)(uint)(value >> 64) + (uint)(value >> 32) + (uint)value;

    /// <summary>RFC 1624 equation 3: the checksum after one word changed.</summary>
    private static void UpdateChecksum(Span<byte> checksum, ushort before, ushort after)
    {
        ulong sum = (ushort)~BinaryPrimitives.ReadUInt16BigEndian(checksum) + (ulong)(ushort)~before + after;
        BinaryPrimitives.WriteUInt16BigEndian(checksum, Fold(sum));
    }
}
