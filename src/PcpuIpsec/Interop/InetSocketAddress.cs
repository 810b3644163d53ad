using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace PcpuIpsec.Interop;

/// <summary>An address and port as the kernel's sockaddr_in or sockaddr_in6, by value, so that sending copies it and allocates nothing.</summary>
internal unsafe struct InetSocketAddress
{
    public const int MaximumLength = 28;

    private fixed byte _bytes[MaximumLength];

    /// <summary>How many of the bytes count.</summary>
    public int Length { get; private set; }

    /// <summary>For a protocol without ports the port is 0.</summary>
    public static InetSocketAddress Of(IPAddress address, ushort port)
    {
        InetSocketAddress result = default;
        bool isIPv6 = address.AddressFamily == AddressFamily.InterNetworkV6;
        result.Length = isIPv6 ? sizeof(Libc.SockAddrIn6) : sizeof(Libc.SockAddrIn);
        var bytes = new Span<byte>(result._bytes, MaximumLength);
        BitConverter.TryWriteBytes(bytes, (ushort)(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET));
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], port);
        address.TryWriteBytes(bytes[(isIPv6 ? 8 : 4)..], out _);
        if (isIPv6)
            BitConverter.TryWriteBytes(bytes[24..], (uint)address.ScopeId);
        return result;
    }

    /// <summary>Reads what the kernel wrote.</summary>
    public static IPEndPoint Read(ReadOnlySpan<byte> bytes)
    {
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        return BitConverter.ToUInt16(bytes) == Libc.AF_INET6
            ? new IPEndPoint(new IPAddress(bytes.Slice(8, 16)), port)
            : new IPEndPoint(new IPAddress(bytes.Slice(4, 4)), port);
    }

    /// <summary>Copies the bytes to a place in native memory.</summary>
    public readonly void CopyTo(byte* destination)
    {
        fixed (byte* bytes = _bytes)
            Buffer.MemoryCopy(bytes, destination, MaximumLength, Length);
    }

    /// <summary>True where family, port and address are the same as in what the kernel wrote.</summary>
    public readonly bool Matches(byte* other)
    {
        fixed (byte* bytes = _bytes)
        {
            if (Length == sizeof(Libc.SockAddrIn))
                return *(ulong*)bytes == *(ulong*)other;
            // The flow label in between is no part of who it is.
            return *(uint*)bytes == *(uint*)other && *(ulong*)(bytes + 8) == *(ulong*)(other + 8) && *(ulong*)(bytes + 16) == *(ulong*)(other + 16);
        }
    }
}
