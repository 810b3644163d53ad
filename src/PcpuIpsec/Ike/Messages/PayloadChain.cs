using System.Diagnostics.CodeAnalysis;

namespace PcpuIpsec.Ike.Messages;

/// <summary>Payloads one behind the other, each naming the type of the next (RFC 7296 §3.2).</summary>
internal static class PayloadChain
{
    public static bool TryParse(PayloadType first, ReadOnlySpan<byte> chain, out IReadOnlyList<Payload> payloads, [NotNullWhen(false)] out ParseError? error)
        => throw new NotSupportedException();

    public static int Length(IReadOnlyList<Payload> payloads) => throw new NotSupportedException();

    public static void Write(IReadOnlyList<Payload> payloads, Span<byte> destination) => throw new NotSupportedException();
}
