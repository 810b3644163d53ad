using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>The lengths of the algorithms that are offered, all in bytes.</summary>
internal static class Algorithms
{
    /// <summary>What an AEAD takes from the key material behind its key (RFC 4106 §8.1, RFC 5282 §7.1, RFC 7634 §2).</summary>
    public const int SaltLength = 4;

    private const int ChaCha20KeyLength = 32;

    /// <summary>What an encryption algorithm takes from the key material, an AEAD's salt included.</summary>
    /// <param name="encryption">The algorithm.</param>
    /// <param name="keyBits">The key length attribute; ignored where the algorithm has none.</param>
    public static int KeyLength(EncryptionAlgorithm encryption, int keyBits) => encryption switch
    {
        EncryptionAlgorithm.ENCR_NULL => 0,
        EncryptionAlgorithm.ENCR_AES_CBC => AesKeyLength(encryption, keyBits),
        EncryptionAlgorithm.ENCR_AES_GCM_16 => AesKeyLength(encryption, keyBits) + SaltLength,
        EncryptionAlgorithm.ENCR_CHACHA20_POLY1305 => ChaCha20KeyLength + SaltLength,
        _ => throw Unavailable(encryption),
    };

    /// <summary>What an integrity algorithm takes from the key material (RFC 4868 §2.1.1); 0 for NONE.</summary>
    public static int KeyLength(IntegrityAlgorithm integrity) => integrity switch
    {
        IntegrityAlgorithm.NONE => 0,
        IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128 => 32,
        IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192 => 48,
        IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256 => 64,
        _ => throw Unavailable(integrity),
    };

    /// <summary>The integrity check value of separate integrity: half of what the hash gives (RFC 4868 §2.1.1).</summary>
    public static int IcvLength(IntegrityAlgorithm integrity) => KeyLength(integrity) / 2;

    /// <summary>The integrity check value of a pair of algorithms: 16 for the AEADs, else what the integrity algorithm has.</summary>
    public static int IcvLength(EncryptionAlgorithm encryption, IntegrityAlgorithm integrity)
        => encryption.IsAead() ? 16 : IcvLength(integrity);

    /// <summary>The IV that travels in each packet.</summary>
    public static int IvLength(EncryptionAlgorithm encryption) => encryption switch
    {
        EncryptionAlgorithm.ENCR_NULL => 0,
        EncryptionAlgorithm.ENCR_AES_CBC => 16,
        EncryptionAlgorithm.ENCR_AES_GCM_16 or EncryptionAlgorithm.ENCR_CHACHA20_POLY1305 => 8,
        _ => throw Unavailable(encryption),
    };

    /// <summary>What the text's length must be a multiple of.</summary>
    public static int BlockSize(EncryptionAlgorithm encryption) => encryption switch
    {
        EncryptionAlgorithm.ENCR_AES_CBC => 16,
        EncryptionAlgorithm.ENCR_NULL or EncryptionAlgorithm.ENCR_AES_GCM_16 or EncryptionAlgorithm.ENCR_CHACHA20_POLY1305 => 1,
        _ => throw Unavailable(encryption),
    };

    /// <summary>The output of a PRF, which is its preferred key length as well (RFC 4868 §2.1.2).</summary>
    public static int OutputLength(PseudorandomFunction prf) => prf switch
    {
        PseudorandomFunction.PRF_HMAC_SHA2_256 => 32,
        PseudorandomFunction.PRF_HMAC_SHA2_384 => 48,
        PseudorandomFunction.PRF_HMAC_SHA2_512 => 64,
        _ => throw Unavailable(prf),
    };

    /// <summary>The exception for an algorithm that is not among those above.</summary>
    public static PcpuIpsecException Unavailable(Enum algorithm)
        => new(PcpuIpsecError.CryptoFailure, $"{algorithm.GetType().Name} {algorithm} is not available here.");

    private static int AesKeyLength(EncryptionAlgorithm encryption, int keyBits) => keyBits switch
    {
        128 => 16,
        256 => 32,
        _ => throw new PcpuIpsecException(PcpuIpsecError.CryptoFailure, $"The key length of {encryption} is {keyBits} bits; 128 and 256 are allowed."),
    };
}
