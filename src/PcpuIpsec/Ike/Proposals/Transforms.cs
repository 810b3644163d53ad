using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike.Proposals;

/// <summary>Transform Type (RFC 7296 §3.3.2).</summary>
internal enum TransformType : byte
{
    ENCR = 1,
    PRF = 2,
    INTEG = 3,
    KE = 4,
    ESN = 5,
}

/// <summary>Transform Type 1 (IANA).</summary>
internal enum EncryptionAlgorithm : ushort
{
    ENCR_NULL = 11,
    ENCR_AES_CBC = 12,
    ENCR_AES_GCM_16 = 20,
    ENCR_CHACHA20_POLY1305 = 28,
}

/// <summary>Transform Type 2 (IANA).</summary>
internal enum PseudorandomFunction : ushort
{
    PRF_HMAC_SHA2_256 = 5,
    PRF_HMAC_SHA2_384 = 6,
    PRF_HMAC_SHA2_512 = 7,
}

/// <summary>Transform Type 3 (IANA).</summary>
internal enum IntegrityAlgorithm : ushort
{
    NONE = 0,
    AUTH_HMAC_SHA2_256_128 = 12,
    AUTH_HMAC_SHA2_384_192 = 13,
    AUTH_HMAC_SHA2_512_256 = 14,
}

/// <summary>Transform Type 4 (IANA).</summary>
internal enum KeyExchangeMethod : ushort
{
    NONE = 0,
    MODP_2048 = 14,
    MODP_3072 = 15,
    MODP_4096 = 16,
    ECP_256 = 19,
    ECP_384 = 20,
    ECP_521 = 21,
    CURVE25519 = 31,
    CURVE448 = 32,
}

/// <summary>Transform Type 5 (IANA).</summary>
internal enum ExtendedSequenceNumbers : ushort
{
    No = 0,
    Yes = 1,
}

/// <summary>
/// One transform: its type, its IANA number and, for ciphers that have it, the key length attribute in bits (§3.3.5).
/// Unusable is one that came with attributes that we do not know: it equals none of ours, so it is never chosen (§3.3.6).
/// </summary>
internal readonly record struct Transform(TransformType Type, ushort Id, ushort? KeyBits = null, bool Unusable = false);

/// <summary>One proposal as it stands on the wire (RFC 7296 §3.3.1): transforms of one type are alternatives.</summary>
internal sealed record Proposal(byte Number, ProtocolId Protocol, byte[] Spi, IReadOnlyList<Transform> Transforms);

/// <summary>
/// One transform of each type, chosen. <see cref="Prf"/> is null for ESP; <see cref="Integrity"/> is NONE with an AEAD;
/// <see cref="KeyExchange"/> is NONE where none is wanted.
/// </summary>
internal sealed record ChosenSuite(
    EncryptionAlgorithm Encryption,
    int KeyBits,
    IntegrityAlgorithm Integrity,
    PseudorandomFunction? Prf,
    KeyExchangeMethod KeyExchange,
    bool Esn)
{
    /// <summary>For logs, e.g. <c>AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE25519</c> or <c>AES_CBC_128/HMAC_SHA2_256_128/ESN</c>.</summary>
    public override string ToString()
    {
        ushort? keyBits = Encryption is EncryptionAlgorithm.ENCR_AES_GCM_16 or EncryptionAlgorithm.ENCR_AES_CBC ? (ushort)KeyBits : null;
        List<Transform> transforms = [new(TransformType.ENCR, (ushort)Encryption, keyBits)];
        if (Integrity != IntegrityAlgorithm.NONE)
            transforms.Add(new(TransformType.INTEG, (ushort)Integrity));
        if (Prf is { } prf)
            transforms.Add(new(TransformType.PRF, (ushort)prf));
        if (KeyExchange != KeyExchangeMethod.NONE)
            transforms.Add(new(TransformType.KE, (ushort)KeyExchange));
        if (Esn)
            transforms.Add(new(TransformType.ESN, (ushort)ExtendedSequenceNumbers.Yes));
        return string.Join('/', transforms.Select(TransformNames.ToText));
    }
}
