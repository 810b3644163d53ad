namespace PcpuIpsec.Gateway;

/// <summary>What shares the port of NAT traversal (RFC 3948 §2): IKE behind four zero bytes where ESP has its SPI, and keepalives of one byte.</summary>
internal static class NonEspMarker
{
    public const int Length = 4;

    private const byte KeepaliveByte = 0xff;

    /// <summary>What a datagram on that port is.</summary>
    public enum Kind
    {
        /// <summary>IKE, behind the marker.</summary>
        Ike,

        /// <summary>A NAT keepalive (§2.3).</summary>
        Keepalive,

        /// <summary>Neither: ESP that the data plane did not take, or noise.</summary>
        Other,
    }

    public static ReadOnlyMemory<byte> Keepalive { get; } = new byte[] { KeepaliveByte };

    public static Kind Classify(ReadOnlySpan<byte> datagram)
        => datagram.Length == 1 && datagram[0] == KeepaliveByte ? Kind.Keepalive
            : datagram.Length > Length && datagram[..Length].IndexOfAnyExcept((byte)0) < 0 ? Kind.Ike
            : Kind.Other;

    public static byte[] Prepend(ReadOnlySpan<byte> message)
    {
        byte[] datagram = new byte[Length + message.Length];
        message.CopyTo(datagram.AsSpan(Length));
        return datagram;
    }
}
