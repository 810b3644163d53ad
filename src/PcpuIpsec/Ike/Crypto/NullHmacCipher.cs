using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>Integrity without confidentiality: ENCR_NULL (RFC 2410) with an HMAC.</summary>
internal sealed class NullHmacCipher(IntegrityAlgorithm integrity, ReadOnlySpan<byte> integrityKey) : PacketCipher
{
    private readonly Hmac _hmac = new(integrity, integrityKey);

    public override int IvLength => 0;

    public override int IcvLength => _hmac.IcvLength;

    public override int BlockSize => 1;

    public override bool IsAead => false;

    public override bool NeedsRandomIv => false;

    public override void Seal(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, Span<byte> icv)
    {
        CheckLengths(text, iv, icv);
        _hmac.Compute(associated, iv, text, trailer, icv);
    }

    public override bool TryOpen(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, ReadOnlySpan<byte> icv)
    {
        CheckLengths(text, iv, icv);
        return _hmac.Verify(associated, iv, text, trailer, icv);
    }

    public override void Dispose() => _hmac.Dispose();
}
