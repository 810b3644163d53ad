using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace PcpuIpsec.Netlink;

/// <summary>One attribute of an answer; its bytes live as long as the receive buffer does.</summary>
internal readonly ref struct NetlinkAttribute(ushort type, ReadOnlySpan<byte> payload)
{
    /// <summary>Without the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER.</summary>
    public ushort Type { get; } = type;

    public ReadOnlySpan<byte> Payload { get; } = payload;

    public byte U8 => Read<byte>();

    public ushort U16 => Read<ushort>();

    public uint U32 => Read<uint>();

    public ulong U64 => Read<ulong>();

    /// <summary>The text up to its NUL.</summary>
    public string String
    {
        get
        {
            int end = Payload.IndexOf((byte)0);
            return Encoding.UTF8.GetString(end < 0 ? Payload : Payload[..end]);
        }
    }

    public IPAddress Address => Payload.Length is 4 or 16 ? new IPAddress(Payload) : throw NetlinkAttributes.Malformed(Type, Payload.Length);

    /// <summary>The attributes inside.</summary>
    public NetlinkAttributes Nested => new(Payload);

    public T Read<T>() where T : unmanaged
        => Payload.Length >= Unsafe.SizeOf<T>() ? MemoryMarshal.Read<T>(Payload) : throw NetlinkAttributes.Malformed(Type, Payload.Length);
}

/// <summary>Walks attributes: <c>foreach (NetlinkAttribute attribute in new NetlinkAttributes(bytes))</c>. Allocates nothing.</summary>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> bytes)
{
    private const int HeaderSize = 4;
    private const ushort TypeMask = 0x3fff;

    private ReadOnlySpan<byte> _rest = bytes;

    public NetlinkAttribute Current { get; private set; }

    public readonly NetlinkAttributes GetEnumerator() => this;

    public bool MoveNext()
    {
        if (_rest.Length < HeaderSize)
            return false;
        int length = MemoryMarshal.Read<ushort>(_rest);
        ushort type = (ushort)(MemoryMarshal.Read<ushort>(_rest[2..]) & TypeMask);
        if (length < HeaderSize || length > _rest.Length)
            throw Malformed(type, length);
        Current = new NetlinkAttribute(type, _rest[HeaderSize..length]);
        _rest = _rest[Math.Min((length + 3) & ~3, _rest.Length)..];
        return true;
    }

    /// <summary>The one way in which decoding fails.</summary>
    internal static PcpuIpsecException Malformed(int type, int length)
        => new(PcpuIpsecError.KernelRefused, $"The kernel's netlink answer is malformed: type {type} with a length of {length} bytes.");
}
