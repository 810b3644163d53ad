using System.Buffers.Binary;
using PcpuIpsec.DataPlane;

namespace PcpuIpsec.Esp.Packets;

/// <summary>What is authenticated beside IV and text.</summary>
internal readonly ref struct EspAuthenticated
{
    /// <summary>What the scratch space must hold.</summary>
    public const int Length = 12;

    /// <param name="scratch">Room for <see cref="Length"/> bytes.</param>
    /// <param name="packet">The ESP packet.</param>
    /// <param name="sequence">The whole sequence number.</param>
    /// <param name="esn">Whether its high half counts.</param>
    /// <param name="isAead">Whether the cipher is an AEAD.</param>
    public EspAuthenticated(Span<byte> scratch, ReadOnlySpan<byte> packet, ulong sequence, bool esn, bool isAead)
    {
        Associated = packet[..EspGeometry.HeaderLength];
        Trailer = default;
        if (!esn)
            return;
        if (isAead)
        {
            // RFC 4106 §5, RFC 7634 §2.1: SPI and all 64 bits of the number
            packet[..4].CopyTo(scratch);
            BinaryPrimitives.WriteUInt64BigEndian(scratch[4..], sequence);
            Associated = scratch[..12];
        }
        else
        {
            // RFC 4303 §2.2.1: the high half as if it stood behind the packet
            BinaryPrimitives.WriteUInt32BigEndian(scratch, (uint)(sequence >> 32));
            Trailer = scratch[..4];
        }
    }

    public ReadOnlySpan<byte> Associated { get; }
    public ReadOnlySpan<byte> Trailer { get; }
}

/// <summary>Next header values that ESP itself looks at.</summary>
internal static class NextHeaders
{
    public const byte IPv4 = 4, Tcp = 6, Udp = 17, IPv6 = 41, Fragment = 44, None = 59;
}

/// <summary>The default padding, 1, 2, 3, … (RFC 4303 §2.4).</summary>
internal static class EspPadding
{
    private static readonly byte[] _sequence = [.. Enumerable.Range(1, 255).Select(static i => (byte)i)];

    public static ReadOnlySpan<byte> Bytes => _sequence;
}
