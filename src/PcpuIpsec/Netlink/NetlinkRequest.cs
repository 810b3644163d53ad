using System.Buffers;
using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace PcpuIpsec.Netlink;

/// <summary>
/// One request under construction: header, the family's struct, attributes. Attributes are written in place, in the order
/// of the calls, and padded to four bytes. The buffer is rented and goes back (zeroed: XFRM requests carry keys) on Dispose.
/// </summary>
internal ref struct NetlinkRequest
{
    private const ushort NestedFlag = 0x8000;

    private byte[] _buffer;
    private int _length;

    public NetlinkRequest(ushort type, NetlinkFlags flags)
    {
        _buffer = ArrayPool<byte>.Shared.Rent(1024);
        var header = new NetlinkHeader { Type = type, Flags = flags | NetlinkFlags.Request };
        Struct(header);
    }

    /// <summary>The message so far; the length field is filled in by <see cref="Finish"/>.</summary>
    public readonly int Length => _length;

    /// <summary>Appends a struct in host byte order, as the kernel's headers have it.</summary>
    public void Struct<T>(in T value) where T : unmanaged
        => MemoryMarshal.Write(Reserve(Unsafe.SizeOf<T>()), in value);

    /// <summary>Appends a zeroed struct to be filled in place, before anything else is written.</summary>
    public ref T Struct<T>() where T : unmanaged => ref MemoryMarshal.AsRef<T>(Reserve(Unsafe.SizeOf<T>()));

    /// <summary>Appends an attribute that is a zeroed struct to be filled in place, before anything else is written.</summary>
    public ref T StructAttribute<T>(ushort type) where T : unmanaged => ref MemoryMarshal.AsRef<T>(Space(type, Unsafe.SizeOf<T>()));

    public void Attribute(ushort type, scoped ReadOnlySpan<byte> payload) => payload.CopyTo(Space(type, payload.Length));

    /// <summary>A flag: an attribute whose presence is its value.</summary>
    public void Flag(ushort type) => Space(type, 0);

    public void U8(ushort type, byte value) => Space(type, 1)[0] = value;

    public void U16(ushort type, ushort value) => MemoryMarshal.Write(Space(type, sizeof(ushort)), value);

    public void U32(ushort type, uint value) => MemoryMarshal.Write(Space(type, sizeof(uint)), value);

    public void U64(ushort type, ulong value) => MemoryMarshal.Write(Space(type, sizeof(ulong)), value);

    public void StructAttribute<T>(ushort type, in T value) where T : unmanaged
        => MemoryMarshal.Write(Space(type, Unsafe.SizeOf<T>()), in value);

    /// <summary>A NUL-terminated string.</summary>
    public void String(ushort type, string value)
    {
        Span<byte> space = Space(type, Encoding.UTF8.GetByteCount(value) + 1);
        space[Encoding.UTF8.GetBytes(value, space)] = 0;
    }

    /// <summary>4 or 16 bytes in network order.</summary>
    public void Address(ushort type, IPAddress value)
    {
        Span<byte> bytes = stackalloc byte[16];
        value.TryWriteBytes(bytes, out int length);
        Attribute(type, bytes[..length]);
    }

    /// <summary>Opens an attribute that holds attributes; hand the result to <see cref="EndNest"/>.</summary>
    /// <param name="type">The attribute's type.</param>
    /// <param name="flagged">Set NLA_F_NESTED, which newer attributes demand and old rtnetlink ones do without.</param>
    public int BeginNest(ushort type, bool flagged = false)
    {
        int start = _length;
        Space(flagged ? (ushort)(type | NestedFlag) : type, 0);
        return start;
    }

    public readonly void EndNest(int start) => MemoryMarshal.Write(_buffer.AsSpan(start), checked((ushort)(_length - start)));

    /// <summary>Stamps length, sequence and the ack flag, and gives the finished bytes.</summary>
    internal readonly ReadOnlySpan<byte> Finish(uint sequence, NetlinkFlags extraFlags)
    {
        ref NetlinkHeader header = ref MemoryMarshal.AsRef<NetlinkHeader>(_buffer.AsSpan());
        header.Length = (uint)_length;
        header.Flags |= extraFlags;
        header.Sequence = sequence;
        return _buffer.AsSpan(0, _length);
    }

    public void Dispose()
    {
        if (_buffer is null)
            return;
        _buffer.AsSpan(0, _length).Clear();
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = null!;
    }

    /// <summary>An attribute whose zeroed payload is filled in place, before anything else is written, so that a key is copied only once.</summary>
    public Span<byte> Space(ushort type, int payloadLength)
    {
        // struct rtattr: length with header but without padding, type.
        const int HeaderSize = 4;
        ushort length = checked((ushort)(HeaderSize + payloadLength));
        Span<byte> space = Reserve(length);
        MemoryMarshal.Write(space, length);
        MemoryMarshal.Write(space[2..], type);
        return space[HeaderSize..];
    }

    private Span<byte> Reserve(int length)
    {
        int aligned = (length + 3) & ~3;
        if (_length + aligned > _buffer.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent((_length + aligned) * 2);
            _buffer.AsSpan(0, _length).CopyTo(larger);
            _buffer.AsSpan(0, _length).Clear();
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }
        Span<byte> space = _buffer.AsSpan(_length, aligned);
        space.Clear();
        _length += aligned;
        return space[..length];
    }
}
