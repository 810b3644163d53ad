using System.Buffers.Binary;

namespace PcpuIpsec.Esp.Packets;

/// <summary>What selectors look at in one IP packet (RFC 4301 §4.4.1.1), read without allocation.</summary>
internal readonly struct FlowKey
{
    private const byte HopByHop = 0, Icmp = 1, Tcp = 6, Udp = 17, Dccp = 33, Routing = 43, FragmentHeader = 44,
        IcmpV6 = 58, DestinationOptions = 60, Sctp = 132, Mobility = 135, UdpLite = 136;

    /// <summary>More extension headers than that no host sends.</summary>
    private const int MaximumExtensionHeaders = 16;

    public bool IsIPv6 { get; init; }

    /// <summary>As a number, IPv4 in the low 32 bits.</summary>
    public UInt128 Source { get; init; }
    public UInt128 Destination { get; init; }

    /// <summary>What follows the IP header and the extension headers that RFC 4301 §4.4.1.1 skips (0, 43, 44, 60).</summary>
    public byte Protocol { get; init; }

    /// <summary>False in a later IPv6 fragment whose protocol only the first one tells.</summary>
    public bool HasProtocol { get; init; }

    /// <summary>False in later fragments, in protocols without ports and where the packet ends before them.</summary>
    public bool HasPorts { get; init; }

    /// <summary>For ICMP and ICMPv6 both hold the type in the upper and the code in the lower eight bits; for mobility headers the type above.</summary>
    public ushort SourcePort { get; init; }
    public ushort DestinationPort { get; init; }

    /// <summary>True for any fragment, the first included.</summary>
    public bool IsFragment { get; init; }

    /// <summary>True for fragments other than the first.</summary>
    public bool IsLaterFragment { get; init; }

    /// <summary>DSCP and ECN.</summary>
    public byte TrafficClass { get; init; }

    /// <summary>The packet's length by its own header; what was given may be longer.</summary>
    public int TotalLength { get; init; }

    /// <summary>The IP header with IPv4 options, without IPv6 extension headers.</summary>
    public int IpHeaderLength { get; init; }

    /// <summary>Where the protocol's own header starts, or would start in a later fragment.</summary>
    public int PayloadOffset { get; init; }

    /// <summary>True where an IPv6 hop-by-hop or routing header is there: ESP stands behind those (RFC 4303 §3.1.1).</summary>
    public bool HasOuterExtensions { get; init; }

    /// <summary>Reads a packet.</summary>
    /// <returns>False where it is no well-formed IP packet.</returns>
    public static bool TryRead(ReadOnlySpan<byte> packet, out FlowKey key)
    {
        key = default;
        if (packet.IsEmpty)
            return false;
        return (packet[0] >> 4) switch
        {
            4 => TryReadIPv4(packet, out key),
            6 => TryReadIPv6(packet, out key),
            _ => false,
        };
    }

    /// <summary>The same flow as a later fragment of it shows itself.</summary>
    public FlowKey WithoutPorts() => this with { HasPorts = false, SourcePort = 0, DestinationPort = 0 };

    private static bool TryReadIPv4(ReadOnlySpan<byte> packet, out FlowKey key)
    {
        key = default;
        if (packet.Length < IpHeader.IPv4Length)
            return false;
        int headerLength = (packet[0] & 0x0f) * 4;
        int totalLength = BinaryPrimitives.ReadUInt16BigEndian(packet[2..]);
        if (headerLength < IpHeader.IPv4Length || totalLength < headerLength || totalLength > packet.Length)
            return false;
        ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        bool later = (fragment & 0x1fff) != 0;
        byte protocol = packet[9];
        bool hasPorts = TryReadPorts(packet[headerLength..totalLength], protocol, later, out ushort source, out ushort destination);
        key = new FlowKey
        {
            Source = BinaryPrimitives.ReadUInt32BigEndian(packet[12..]),
            Destination = BinaryPrimitives.ReadUInt32BigEndian(packet[16..]),
            Protocol = protocol,
            HasProtocol = true,
            HasPorts = hasPorts,
            SourcePort = source,
            DestinationPort = destination,
            IsFragment = (fragment & 0x3fff) != 0,
            IsLaterFragment = later,
            TrafficClass = packet[1],
            TotalLength = totalLength,
            IpHeaderLength = headerLength,
            PayloadOffset = headerLength,
        };
        return true;
    }

    private static bool TryReadIPv6(ReadOnlySpan<byte> packet, out FlowKey key)
    {
        key = default;
        if (packet.Length < IpHeader.IPv6Length)
            return false;
        int totalLength = IpHeader.IPv6Length + BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        if (totalLength > packet.Length)
            return false;
        packet = packet[..totalLength];
        byte protocol = packet[6];
        int offset = IpHeader.IPv6Length;
        bool fragment = false, later = false, outer = false;
        for (int headers = 0; !later && protocol is HopByHop or Routing or FragmentHeader or DestinationOptions; headers++)
        {
            if (headers == MaximumExtensionHeaders || packet.Length < offset + 8)
                return false;
            int length = 8;
            if (protocol == FragmentHeader)
            {
                ushort field = BinaryPrimitives.ReadUInt16BigEndian(packet[(offset + 2)..]);
                fragment = true;
                later = (field & 0xfff8) != 0;
            }
            else
            {
                outer |= protocol is HopByHop or Routing;
                length = (packet[offset + 1] + 1) * 8;
            }
            protocol = packet[offset];
            offset += length;
            if (offset > packet.Length)
                return false;
        }
        bool hasPorts = TryReadPorts(packet[offset..], protocol, later, out ushort source, out ushort destination);
        key = new FlowKey
        {
            IsIPv6 = true,
            Source = BinaryPrimitives.ReadUInt128BigEndian(packet[8..]),
            Destination = BinaryPrimitives.ReadUInt128BigEndian(packet[24..]),
            Protocol = protocol,
            HasProtocol = !(protocol is HopByHop or Routing or FragmentHeader or DestinationOptions),
            HasPorts = hasPorts,
            SourcePort = source,
            DestinationPort = destination,
            IsFragment = fragment,
            IsLaterFragment = later,
            TrafficClass = IpHeader.TrafficClass(packet),
            TotalLength = totalLength,
            IpHeaderLength = IpHeader.IPv6Length,
            PayloadOffset = offset,
            HasOuterExtensions = outer,
        };
        return true;
    }

    private static bool TryReadPorts(ReadOnlySpan<byte> payload, byte protocol, bool later, out ushort source, out ushort destination)
    {
        source = destination = 0;
        if (later)
            return false;
        switch (protocol)
        {
            case Tcp or Udp or Dccp or Sctp or UdpLite when payload.Length >= 4:
                source = BinaryPrimitives.ReadUInt16BigEndian(payload);
                destination = BinaryPrimitives.ReadUInt16BigEndian(payload[2..]);
                return true;
            case Icmp or IcmpV6 when payload.Length >= 2:
                source = destination = BinaryPrimitives.ReadUInt16BigEndian(payload);
                return true;
            case Mobility when payload.Length >= 3:
                source = destination = (ushort)(payload[2] << 8);
                return true;
            default:
                return false;
        }
    }
}
