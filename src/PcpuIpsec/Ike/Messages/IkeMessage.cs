using System.Diagnostics.CodeAnalysis;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Ike.Messages;

/// <summary>Whole IKE messages: header and payloads, in clear or inside SK.</summary>
internal static class IkeMessage
{
    public static byte[] BuildClear(ulong spiI, ulong spiR, ExchangeType exchange, IkeFlags flags, uint messageId, IReadOnlyList<Payload> payloads)
        => throw new NotSupportedException();

    public static byte[] BuildProtected(ulong spiI, ulong spiR, ExchangeType exchange, IkeFlags flags, uint messageId, IReadOnlyList<Payload> payloads, PacketCipher cipher, ReadOnlySpan<byte> iv)
        => throw new NotSupportedException();

    public static bool TryParseClear(ReadOnlySpan<byte> datagram, out IkeHeader header, out IReadOnlyList<Payload> payloads, [NotNullWhen(false)] out ParseError? error)
        => throw new NotSupportedException();

    public static bool TryOpen(byte[] datagram, IkeHeader header, PacketCipher cipher, out IReadOnlyList<Payload> inner, [NotNullWhen(false)] out ParseError? error)
        => throw new NotSupportedException();
}
