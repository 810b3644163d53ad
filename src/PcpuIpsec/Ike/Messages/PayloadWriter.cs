using System.Buffers.Binary;

namespace PcpuIpsec.Ike.Messages;

/// <summary>Writes fields in network order into a buffer that was measured before.</summary>
internal ref struct PayloadWriter(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;

    public int Written { get; private set; }

    public void U8(byte value) => Next(1)[0] = value;

    public void U16(ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Next(2), value);

    public void U32(uint value) => BinaryPrimitives.WriteUInt32BigEndian(Next(4), value);

    /// <summary>The low bytes of a number, as many as are asked for.</summary>
    public void Number(UInt128 value, int length)
    {
        Span<byte> field = Next(length);
        for (int i = length - 1; i >= 0; i--, value >>= 8)
            field[i] = (byte)value;
    }

    public void Bytes(ReadOnlySpan<byte> value) => value.CopyTo(Next(value.Length));

    /// <summary>Reserved fields are sent as zero (RFC 7296 §2.5).</summary>
    public void Reserved(int length) => Next(length).Clear();

    private Span<byte> Next(int length)
    {
        Span<byte> field = _destination.Slice(Written, length);
        Written += length;
        return field;
    }
}
