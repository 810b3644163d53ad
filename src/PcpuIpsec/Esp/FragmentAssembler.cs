using System.Buffers.Binary;
using PcpuIpsec.Esp.Packets;

namespace PcpuIpsec.Esp;

/// <summary>
/// Puts a datagram's fragments together again where its SA takes whole datagrams alone: transport mode (RFC 4303 §3.3.4) and
/// selectors with ports (RFC 4301 §7). The stack cuts what is longer than the TUN's MTU just before the TUN, so they come
/// in order, one datagram behind the other or a few interleaved; what comes otherwise is dropped. One thread uses it.
/// </summary>
internal sealed class FragmentAssembler
{
    /// <summary>Datagrams in the making.</summary>
    private const int Slots = 8;

    private const ushort MoreFragments = 0x2000, OffsetMask = 0x1fff;
    private const byte FragmentHeader = 44;
    private const int FragmentHeaderLength = 8;

    private readonly Slot[] _slots = new Slot[Slots];
    private int _oldest;

    /// <summary>Datagrams that were begun and given up.</summary>
    public long Lost { get; private set; }

    /// <summary>Takes one fragment.</summary>
    /// <param name="packet">A fragment as <see cref="FlowKey.TryRead"/> took it.</param>
    /// <param name="key">What it read.</param>
    /// <param name="whole">The datagram, where this was its last piece; good until the next call.</param>
    public bool TryAdd(scoped ReadOnlySpan<byte> packet, scoped in FlowKey key, out Span<byte> whole)
    {
        whole = default;
        if (!TryRead(packet[..key.TotalLength], key, out Piece piece))
        {
            Lost++;
            return false;
        }
        Slot? slot = piece.Offset == 0 ? Begin(piece) : Find(piece);
        if (slot is null)
        {
            Lost++;
            return false;
        }
        if (piece.Offset != slot.Length - slot.HeaderLength || slot.Length + piece.Payload.Length > ushort.MaxValue)
        {
            GiveUp(slot);
            return false;
        }
        piece.Payload.CopyTo(slot.Buffer.AsSpan(slot.Length));
        slot.Length += piece.Payload.Length;
        if (piece.More)
            return false;
        slot.InUse = false;
        whole = Finish(slot);
        return true;
    }

    private static bool TryRead(ReadOnlySpan<byte> packet, in FlowKey key, out Piece piece)
    {
        piece = default;
        if (!key.IsIPv6)
        {
            ushort flags = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
            piece = new Piece
            {
                Name = new DatagramName(false, key.Source, key.Destination, BinaryPrimitives.ReadUInt16BigEndian(packet[4..]), packet[9]),
                Header = packet[..key.IpHeaderLength],
                Payload = packet[key.IpHeaderLength..],
                Offset = (flags & OffsetMask) * 8,
                More = (flags & MoreFragments) != 0,
                Protocol = packet[9],
            };
            return true;
        }
        // Ours stand right behind the header; with other headers between the datagram could not go in transport mode anyway.
        if (packet[6] != FragmentHeader)
            return false;
        ReadOnlySpan<byte> header = packet[IpHeader.IPv6Length..];
        ushort field = BinaryPrimitives.ReadUInt16BigEndian(header[2..]);
        piece = new Piece
        {
            Name = new DatagramName(true, key.Source, key.Destination, BinaryPrimitives.ReadUInt32BigEndian(header[4..]), 0),
            Header = packet[..IpHeader.IPv6Length],
            Payload = header[FragmentHeaderLength..],
            Offset = field & 0xfff8,
            More = (field & 1) != 0,
            Protocol = header[0],
        };
        return true;
    }

    private Slot Begin(in Piece piece)
    {
        Slot? slot = null;
        foreach (Slot? candidate in _slots)
        {
            if (candidate is { InUse: false })
                slot = candidate;
        }
        if (slot is null)
        {
            slot = _slots[_oldest] ??= new Slot();
            _oldest = (_oldest + 1) % Slots;
            if (slot.InUse)
                GiveUp(slot);
        }
        slot.InUse = true;
        slot.Name = piece.Name;
        slot.Protocol = piece.Protocol;
        slot.HeaderLength = slot.Length = piece.Header.Length;
        piece.Header.CopyTo(slot.Buffer);
        return slot;
    }

    private Slot? Find(in Piece piece)
    {
        foreach (Slot? slot in _slots)
        {
            if (slot is { InUse: true } && slot.Name == piece.Name)
                return slot;
        }
        return null;
    }

    private void GiveUp(Slot slot)
    {
        slot.InUse = false;
        Lost++;
    }

    private static Span<byte> Finish(Slot slot)
    {
        Span<byte> packet = slot.Buffer.AsSpan(0, slot.Length);
        if (slot.Name.IsIPv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)(slot.Length - IpHeader.IPv6Length));
            packet[6] = slot.Protocol;
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)slot.Length);
            BinaryPrimitives.WriteUInt16BigEndian(packet[6..], 0);
            IpHeader.WriteChecksum(packet[..slot.HeaderLength], 10);
        }
        return packet;
    }

    /// <summary>What fragments of one datagram have in common (RFC 791 §3.2, RFC 8200 §4.5).</summary>
    private readonly record struct DatagramName(bool IsIPv6, UInt128 Source, UInt128 Destination, uint Id, byte Protocol);

    private ref struct Piece
    {
        public DatagramName Name;
        public ReadOnlySpan<byte> Header;
        public ReadOnlySpan<byte> Payload;
        public int Offset;
        public bool More;
        public byte Protocol;
    }

    private sealed class Slot
    {
        public readonly byte[] Buffer = GC.AllocateUninitializedArray<byte>(ushort.MaxValue + 1, pinned: true);
        public DatagramName Name;
        public bool InUse;
        public byte Protocol;
        public int HeaderLength;
        public int Length;
    }
}
