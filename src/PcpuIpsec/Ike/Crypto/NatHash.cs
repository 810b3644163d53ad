using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Security.Cryptography;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>The data of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP (RFC 7296 §2.23).</summary>
internal static class NatHash
{
    /// <summary>SHA-1's output.</summary>
    public const int Length = 20;

    /// <summary>SHA-1(SPIi | SPIr | IP | Port), the SPIs in the order of the header and the responder's zero in the first request.</summary>
    [SuppressMessage("Security", "CA5350", Justification = "RFC 7296 §2.23 fixes SHA-1; nothing rests on its strength.")]
    public static void Compute(ulong spiI, ulong spiR, IPAddress address, int port, Span<byte> destination)
    {
        // A dual-stack socket shows IPv4 peers as mapped addresses; what the packet carried is the four bytes.
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();

        Span<byte> data = stackalloc byte[8 + 8 + 16 + 2];
        BinaryPrimitives.WriteUInt64BigEndian(data, spiI);
        BinaryPrimitives.WriteUInt64BigEndian(data[8..], spiR);
        address.TryWriteBytes(data[16..], out int addressLength);
        BinaryPrimitives.WriteUInt16BigEndian(data[(16 + addressLength)..], checked((ushort)port));
        SHA1.HashData(data[..(16 + addressLength + 2)], destination);
    }
}
