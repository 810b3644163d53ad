using System.Buffers.Binary;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Esp.Packets;

/// <summary>What has to happen with an inner packet, given how much the path carries.</summary>
internal enum PathMtuAction
{
    /// <summary>It fits: protect it.</summary>
    Protect,

    /// <summary>IPv4 that may be fragmented: protect each fragment of an <see cref="IPv4Fragmenter"/>.</summary>
    FragmentInner,

    /// <summary>Tell the sender with <see cref="PathMtu.TryBuildTooBig"/> and drop it.</summary>
    TooBig,

    /// <summary>Protect it whole and have the outer packet fragmented: there is no way to make the inner one smaller.</summary>
    FragmentOuter,
}

/// <summary>Packets that are too long once protected (RFC 4301 §8): the decision, and the ICMP message to their sender.</summary>
internal static class PathMtu
{
    /// <summary>RFC 791: every IPv4 path carries that much.</summary>
    public const int MinimumIPv4 = 68;

    /// <summary>RFC 8200 §5: every IPv6 path carries that much.</summary>
    public const int MinimumIPv6 = 1280;

    /// <summary>Room that a message of <see cref="TryBuildTooBig"/> needs at most.</summary>
    public const int MaximumMessage = MinimumIPv6;

    /// <summary>RFC 1812 §4.3.2.3: an ICMP message is not longer than what every host takes.</summary>
    private const int MaximumIPv4Message = 576;

    private const int IcmpHeaderLength = 8;
    private const byte Icmp = 1, IcmpV6 = 58;
    private const byte DestinationUnreachable = 3, FragmentationNeeded = 4, PacketTooBig = 2;

    /// <summary>Decides what happens to a packet.</summary>
    /// <param name="key">The packet's selectors.</param>
    /// <param name="packet">The packet.</param>
    /// <param name="maximumInner">What <see cref="OutboundSa.MaximumInner"/> says for the path.</param>
    /// <param name="mode">The SA's mode: transport mode never fragments inside (RFC 4303 §3.3.4).</param>
    public static PathMtuAction Decide(in FlowKey key, ReadOnlySpan<byte> packet, int maximumInner, IpsecMode mode)
    {
        if (key.TotalLength <= maximumInner)
            return PathMtuAction.Protect;
        if (key.IsIPv6)
            // RFC 2473 §7.1: nobody sends less than 1280 bytes a packet because we say so.
            return key.TotalLength > MinimumIPv6 ? PathMtuAction.TooBig : PathMtuAction.FragmentOuter;
        bool dontFragment = (packet[6] & 0x40) != 0;
        if (dontFragment)
            return maximumInner >= MinimumIPv4 ? PathMtuAction.TooBig : PathMtuAction.FragmentOuter;
        return mode == IpsecMode.Tunnel && maximumInner >= MinimumIPv4 ? PathMtuAction.FragmentInner : PathMtuAction.FragmentOuter;
    }

    /// <summary>
    /// Builds the ICMP message that tells a packet's sender what fits: for IPv4 destination unreachable, fragmentation
    /// needed, with the next hop's MTU (RFC 1191 §4), for IPv6 packet too big (RFC 4443 §3.2).
    /// </summary>
    /// <param name="packet">The packet that is too long.</param>
    /// <param name="gateway">Our address of its family that the message comes from, as a number; IPv4 in the low 32 bits.</param>
    /// <param name="maximumInner">The length that fits.</param>
    /// <param name="destination">Receives the message as a whole IP packet; <see cref="MaximumMessage"/> bytes are enough.</param>
    /// <param name="length">Its length.</param>
    /// <returns>False where none may be sent: about ICMP errors, later fragments, packets from no single host (RFC 1122 §3.2.2, RFC 4443 §2.4).</returns>
    public static bool TryBuildTooBig(ReadOnlySpan<byte> packet, UInt128 gateway, int maximumInner, Span<byte> destination, out int length)
    {
        length = 0;
        if (!FlowKey.TryRead(packet, out FlowKey key) || !MayReport(key, packet))
            return false;
        packet = packet[..key.TotalLength];
        return key.IsIPv6
            ? TryBuildIPv6(packet, key, gateway, maximumInner, destination, out length)
            : TryBuildIPv4(packet, key, (uint)gateway, maximumInner, destination, out length);
    }

    private static bool TryBuildIPv4(ReadOnlySpan<byte> packet, in FlowKey key, uint gateway, int maximumInner, Span<byte> destination, out int length)
    {
        int quoted = Math.Min(packet.Length, MaximumIPv4Message - IpHeader.IPv4Length - IcmpHeaderLength);
        length = IpHeader.IPv4Length + IcmpHeaderLength + quoted;
        if (destination.Length < length)
            return false;
        // RFC 1812 §4.3.2.5: precedence 6 (internetwork control)
        IpHeader.WriteIPv4(destination, trafficClass: 0xc0, length, id: 0, dontFragment: false, Icmp, gateway, (uint)key.Source);
        Span<byte> message = destination[IpHeader.IPv4Length..length];
        message[..IcmpHeaderLength].Clear();
        message[0] = DestinationUnreachable;
        message[1] = FragmentationNeeded;
        BinaryPrimitives.WriteUInt16BigEndian(message[6..], (ushort)Math.Clamp(maximumInner, MinimumIPv4, ushort.MaxValue));
        packet[..quoted].CopyTo(message[IcmpHeaderLength..]);
        IpHeader.WriteChecksum(message, 2);
        return true;
    }

    private static bool TryBuildIPv6(ReadOnlySpan<byte> packet, in FlowKey key, UInt128 gateway, int maximumInner, Span<byte> destination, out int length)
    {
        int quoted = Math.Min(packet.Length, MinimumIPv6 - IpHeader.IPv6Length - IcmpHeaderLength);
        length = IpHeader.IPv6Length + IcmpHeaderLength + quoted;
        if (destination.Length < length)
            return false;
        IpHeader.WriteIPv6(destination, trafficClass: 0, IcmpHeaderLength + quoted, IcmpV6, gateway, key.Source);
        Span<byte> message = destination[IpHeader.IPv6Length..length];
        message[0] = PacketTooBig;
        message[1] = message[2] = message[3] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(message[4..], (uint)Math.Max(maximumInner, MinimumIPv6));
        packet[..quoted].CopyTo(message[IcmpHeaderLength..]);
        ulong pseudoHeader = IpHeader.PseudoHeaderSum(gateway, key.Source, IcmpV6, message.Length);
        BinaryPrimitives.WriteUInt16BigEndian(message[2..], IpHeader.Fold(IpHeader.Sum(message, pseudoHeader)));
        return true;
    }

    private static bool MayReport(in FlowKey key, ReadOnlySpan<byte> packet)
    {
        if (key.IsLaterFragment)
            return false;
        if (key.IsIPv6)
        {
            // Packets to groups are reported too: RFC 4443 §2.4 (e.3).
            bool noHost = key.Source <= 1 || key.Source >> 120 == 0xff;
            bool error = key.Protocol == IcmpV6 && (!key.HasPorts || packet[key.PayloadOffset] < 128 || packet[key.PayloadOffset] == 137);
            return !noHost && !error;
        }
        return IsHost((uint)key.Source) && IsUnicast((uint)key.Destination)
            && (key.Protocol != Icmp || (key.HasPorts && packet[key.PayloadOffset] is 0 or 8 or 9 or 10 or (>= 13 and <= 18)));
    }

    private static bool IsHost(uint address) => IsUnicast(address) && address >> 24 is not 0 and not 127;

    private static bool IsUnicast(uint address) => address >> 28 < 0xe;
}
