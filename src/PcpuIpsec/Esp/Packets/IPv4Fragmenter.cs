using System.Buffers.Binary;

namespace PcpuIpsec.Esp.Packets;

/// <summary>
/// Cuts an IPv4 packet that may be fragmented, itself perhaps a fragment, into fragments (RFC 791 §2.3, §3.2).
/// Each call of <see cref="TryNext"/> writes one; nothing is allocated.
/// </summary>
internal ref struct IPv4Fragmenter
{
    private const ushort MoreFragments = 0x2000;
    private const ushort OffsetMask = 0x1fff;

    private readonly ReadOnlySpan<byte> _packet;
    private readonly int _maximum;
    private readonly int _headerLength;
    private int _position;

    /// <param name="packet">A packet that <see cref="FlowKey.TryRead"/> took.</param>
    /// <param name="maximum">The longest fragment, header included; at least <see cref="PathMtu.MinimumIPv4"/>.</param>
    public IPv4Fragmenter(ReadOnlySpan<byte> packet, int maximum)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maximum, PathMtu.MinimumIPv4);
        _packet = packet[..BinaryPrimitives.ReadUInt16BigEndian(packet[2..])];
        _maximum = maximum;
        _headerLength = (packet[0] & 0x0f) * 4;
        _position = _headerLength;
    }

    /// <summary>Writes the next fragment.</summary>
    /// <param name="destination">Room for the longest one.</param>
    /// <param name="length">Its length.</param>
    /// <returns>False where there is none any more.</returns>
    public bool TryNext(Span<byte> destination, out int length)
    {
        length = 0;
        int left = _packet.Length - _position;
        if (left <= 0)
            return false;
        int headerLength = WriteHeader(destination);
        int payload = Math.Min(left, (_maximum - headerLength) & ~7);
        if (left <= _maximum - headerLength)
            payload = left;
        _packet.Slice(_position, payload).CopyTo(destination[headerLength..]);

        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(_packet[6..]);
        int offset = (flags & OffsetMask) + (_position - _headerLength) / 8;
        bool more = payload < left || (flags & MoreFragments) != 0;
        length = headerLength + payload;
        destination[0] = (byte)(0x40 | (headerLength / 4));
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)length);
        BinaryPrimitives.WriteUInt16BigEndian(destination[6..], (ushort)(offset | (more ? MoreFragments : 0)));
        IpHeader.WriteChecksum(destination[..headerLength], 10);
        _position += payload;
        return true;
    }

    /// <summary>The whole header in front of the first fragment; in front of the others only options with the copied flag (RFC 791 §3.1).</summary>
    private readonly int WriteHeader(Span<byte> destination)
    {
        if (_position == _headerLength || _headerLength == IpHeader.IPv4Length)
        {
            _packet[.._headerLength].CopyTo(destination);
            return _headerLength;
        }
        _packet[..IpHeader.IPv4Length].CopyTo(destination);
        int written = IpHeader.IPv4Length;
        ReadOnlySpan<byte> options = _packet[IpHeader.IPv4Length.._headerLength];
        while (!options.IsEmpty && options[0] != 0)
        {
            int optionLength = options[0] == 1 ? 1 : options.Length > 1 ? options[1] : 0;
            if (optionLength == 0 || optionLength > options.Length)
                break;
            if ((options[0] & 0x80) != 0)
            {
                options[..optionLength].CopyTo(destination[written..]);
                written += optionLength;
            }
            options = options[optionLength..];
        }
        while (written % 4 != 0)
            destination[written++] = 0;
        return written;
    }
}
