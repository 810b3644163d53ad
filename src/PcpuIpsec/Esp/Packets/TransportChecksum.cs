using System.Buffers.Binary;

namespace PcpuIpsec.Esp.Packets;

/// <summary>
/// RFC 3948 §3.1.2 (b): behind a NAT the checksums of TCP and UDP cover addresses that are not the packet's any more.
/// The ICV has vouched for the payload, so they are made anew.
/// </summary>
internal static class TransportChecksum
{
    /// <summary>Makes the checksum of a whole TCP or UDP packet anew; others are left alone, as is UDP without one.</summary>
    public static void Recompute(Span<byte> packet, in FlowKey key)
    {
        Span<byte> segment = packet[key.PayloadOffset..key.TotalLength];
        int offset;
        switch (key.Protocol)
        {
            case NextHeaders.Tcp when segment.Length >= 20:
                offset = 16;
                break;
            case NextHeaders.Udp when segment.Length >= 8:
                int length = BinaryPrimitives.ReadUInt16BigEndian(segment[4..]);
                if (length < 8 || length > segment.Length || (segment[6] | segment[7]) == 0)
                    return;
                segment = segment[..length];
                offset = 6;
                break;
            default:
                return;
        }
        Span<byte> checksum = segment.Slice(offset, 2);
        checksum.Clear();
        ushort value = IpHeader.Fold(IpHeader.Sum(segment, IpHeader.PseudoHeaderSum(key.Source, key.Destination, key.Protocol, segment.Length)));
        // RFC 768: a computed zero is sent as all ones, since zero says that there is none.
        BinaryPrimitives.WriteUInt16BigEndian(checksum, value == 0 && key.Protocol == NextHeaders.Udp ? ushort.MaxValue : value);
    }
}
