using System.Buffers.Binary;
using System.Security.Cryptography;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>The seven keys of an IKE SA (RFC 7296 §2.14). "i" is the initiator of the exchange that made this SA.</summary>
internal sealed class IkeSaKeys : IDisposable
{
    /// <summary>{SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr).</summary>
    private IkeSaKeys(ChosenSuite suite, ReadOnlySpan<byte> skeyseed, ReadOnlySpan<byte> ni, ReadOnlySpan<byte> nr, ulong spiI, ulong spiR)
    {
        Suite = suite;
        PseudorandomFunction prf = PrfOf(suite);
        int prfLength = Algorithms.OutputLength(prf);
        int integrityLength = suite.Encryption.IsAead() ? 0 : Algorithms.KeyLength(suite.Integrity);
        int encryptionLength = Algorithms.KeyLength(suite.Encryption, suite.KeyBits);

        byte[] seed = new byte[ni.Length + nr.Length + (2 * sizeof(ulong))];
        ni.CopyTo(seed);
        nr.CopyTo(seed.AsSpan(ni.Length));
        BinaryPrimitives.WriteUInt64BigEndian(seed.AsSpan(ni.Length + nr.Length), spiI);
        BinaryPrimitives.WriteUInt64BigEndian(seed.AsSpan(ni.Length + nr.Length + sizeof(ulong)), spiR);

        using Secret material = Prf.Plus(prf, skeyseed, seed, (3 * prfLength) + (2 * integrityLength) + (2 * encryptionLength));
        SecretReader reader = new(material);
        SkD = reader.Take(prfLength);
        SkAi = reader.Take(integrityLength);
        SkAr = reader.Take(integrityLength);
        SkEi = reader.Take(encryptionLength);
        SkEr = reader.Take(encryptionLength);
        SkPi = reader.Take(prfLength);
        SkPr = reader.Take(prfLength);
    }

    /// <summary>Derives the keys of Child SAs and of the next IKE SA.</summary>
    public Secret SkD { get; }

    /// <summary>Integrity of what the initiator sends; empty with an AEAD.</summary>
    public Secret SkAi { get; }

    /// <summary>Integrity of what the responder sends; empty with an AEAD.</summary>
    public Secret SkAr { get; }

    /// <summary>Encryption of what the initiator sends, an AEAD's salt behind the key.</summary>
    public Secret SkEi { get; }

    /// <summary>Encryption of what the responder sends, an AEAD's salt behind the key.</summary>
    public Secret SkEr { get; }

    /// <summary>Goes into the initiator's AUTH payload (§2.15).</summary>
    public Secret SkPi { get; }

    /// <summary>Goes into the responder's AUTH payload (§2.15).</summary>
    public Secret SkPr { get; }

    /// <summary>What was negotiated for this IKE SA.</summary>
    public ChosenSuite Suite { get; }

    /// <summary>The keys of a new IKE SA: SKEYSEED = prf(Ni | Nr, g^ir) (RFC 7296 §2.14).</summary>
    public static IkeSaKeys Derive(ChosenSuite suite, ReadOnlySpan<byte> sharedSecret, ReadOnlySpan<byte> ni, ReadOnlySpan<byte> nr, ulong spiI, ulong spiR)
    {
        PseudorandomFunction prf = PrfOf(suite);
        Span<byte> skeyseed = stackalloc byte[Algorithms.OutputLength(prf)];
        Prf.Compute(prf, [.. ni, .. nr], sharedSecret, skeyseed);
        return TakeFrom(suite, skeyseed, ni, nr, spiI, spiR);
    }

    /// <summary>
    /// The keys of an IKE SA that replaces another: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr), with the old SA's PRF;
    /// what follows uses the new one's (RFC 7296 §2.18).
    /// </summary>
    public static IkeSaKeys DeriveRekeyed(
        ChosenSuite newSuite,
        PseudorandomFunction oldPrf,
        Secret oldSkD,
        ReadOnlySpan<byte> sharedSecret,
        ReadOnlySpan<byte> ni,
        ReadOnlySpan<byte> nr,
        ulong spiI,
        ulong spiR)
    {
        Span<byte> skeyseed = stackalloc byte[Algorithms.OutputLength(oldPrf)];
        Prf.Compute(oldPrf, oldSkD.Span, sharedSecret, ni, nr, skeyseed);
        return TakeFrom(newSuite, skeyseed, ni, nr, spiI, spiR);
    }

    /// <summary>A new cipher for what the initiator of this SA sends.</summary>
    public PacketCipher CipherOfInitiator() => PacketCiphers.Create(Suite.Encryption, SkEi.Span, Suite.Integrity, SkAi.Span);

    /// <summary>A new cipher for what the responder of this SA sends.</summary>
    public PacketCipher CipherOfResponder() => PacketCiphers.Create(Suite.Encryption, SkEr.Span, Suite.Integrity, SkAr.Span);

    /// <inheritdoc/>
    public void Dispose()
    {
        SkD.Dispose();
        SkAi.Dispose();
        SkAr.Dispose();
        SkEi.Dispose();
        SkEr.Dispose();
        SkPi.Dispose();
        SkPr.Dispose();
    }

    private static IkeSaKeys TakeFrom(ChosenSuite suite, Span<byte> skeyseed, ReadOnlySpan<byte> ni, ReadOnlySpan<byte> nr, ulong spiI, ulong spiR)
    {
        try
        {
            return new IkeSaKeys(suite, skeyseed, ni, nr, spiI, spiR);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(skeyseed);
        }
    }

    private static PseudorandomFunction PrfOf(ChosenSuite suite)
        => suite.Prf ?? throw new PcpuIpsecException(PcpuIpsecError.CryptoFailure, "The suite of an IKE SA has no PRF; one of PRF_HMAC_SHA2_256, _384 and _512 is needed.");
}
