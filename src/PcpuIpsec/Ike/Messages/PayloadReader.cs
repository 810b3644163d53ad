using System.Buffers.Binary;

namespace PcpuIpsec.Ike.Messages;

/// <summary>
/// Reads fields in network order. Everything that can be wrong goes through <see cref="Fail"/>: the first error is kept,
/// nothing is left to read and later reads give zeros, so a parser checks once at its end.
/// </summary>
internal ref struct PayloadReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>What was wrong first; null while all is well.</summary>
    public string? Error { get; private set; }

    public readonly int Remaining => _rest.Length;

    /// <summary>True while there is something left and nothing was wrong.</summary>
    public readonly bool More => _rest.Length > 0;

    public byte U8() => Take(1) is [var value] ? value : (byte)0;

    public ushort U16() => Take(2) is { Length: 2 } field ? BinaryPrimitives.ReadUInt16BigEndian(field) : (ushort)0;

    public uint U32() => Take(4) is { Length: 4 } field ? BinaryPrimitives.ReadUInt32BigEndian(field) : 0;

    /// <summary>A number of as many bytes, at most 16.</summary>
    public UInt128 Number(int length)
    {
        UInt128 value = 0;
        foreach (byte b in Take(length))
            value = (value << 8) | b;
        return value;
    }

    public byte[] Bytes(int length) => Take(length).ToArray();

    public byte[] Rest() => Take(_rest.Length).ToArray();

    /// <summary>Reserved fields are not looked at (RFC 7296 §2.5).</summary>
    public void Skip(int length) => Take(length);

    /// <summary>A reader of the next bytes alone; give it back to <see cref="Leave"/>.</summary>
    public PayloadReader Enter(int length) => new(Take(length));

    /// <summary>Takes over what went wrong inside, or what was left unread there.</summary>
    public void Leave(PayloadReader inner)
    {
        inner.End();
        Check(inner.Error);
    }

    /// <summary>All must have been read by now.</summary>
    public void End()
    {
        if (More)
            Fail($"{Remaining} bytes more than its fields take");
    }

    /// <summary>Fails with the text, where there is one.</summary>
    public void Check(string? error)
    {
        if (error is not null)
            Fail(error);
    }

    public void Fail(string error)
    {
        Error ??= error;
        _rest = default;
    }

    private ReadOnlySpan<byte> Take(int length)
    {
        if (length < 0 || length > _rest.Length)
        {
            Fail($"a field of {length} bytes where {_rest.Length} are left");
            return default;
        }

        ReadOnlySpan<byte> taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }
}
