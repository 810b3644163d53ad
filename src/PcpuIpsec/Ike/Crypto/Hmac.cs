using System.Security.Cryptography;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>HMAC-SHA-2 cut to half its length (RFC 4868), with the key set once.</summary>
internal sealed class Hmac : IDisposable
{
    private const int LongestHash = 64;

    private readonly IncrementalHash _hash;

    public Hmac(IntegrityAlgorithm integrity, ReadOnlySpan<byte> key)
    {
        IcvLength = Algorithms.IcvLength(integrity);
        _hash = IncrementalHash.CreateHMAC(
            integrity switch
            {
                IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128 => HashAlgorithmName.SHA256,
                IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192 => HashAlgorithmName.SHA384,
                IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256 => HashAlgorithmName.SHA512,
                _ => throw Algorithms.Unavailable(integrity),
            },
            key);
    }

    public int IcvLength { get; }

    /// <summary>The ICV over associated | iv | text | trailer (RFC 7296 §3.14, RFC 4303 §3.3.2.1).</summary>
    public void Compute(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> text, ReadOnlySpan<byte> trailer, Span<byte> icv)
    {
        Span<byte> whole = stackalloc byte[LongestHash];
        _hash.AppendData(associated);
        if (!iv.IsEmpty)
            _hash.AppendData(iv);
        _hash.AppendData(text);
        if (!trailer.IsEmpty)
            _hash.AppendData(trailer);
        _hash.GetHashAndReset(whole);
        whole[..IcvLength].CopyTo(icv);
    }

    /// <summary>Compares in time that does not depend on where the two differ.</summary>
    public bool Verify(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> text, ReadOnlySpan<byte> trailer, ReadOnlySpan<byte> icv)
    {
        Span<byte> expected = stackalloc byte[IcvLength];
        Compute(associated, iv, text, trailer, expected);
        return CryptographicOperations.FixedTimeEquals(expected, icv);
    }

    public void Dispose() => _hash.Dispose();
}
