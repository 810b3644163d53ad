using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>Makes the cipher for a pair of algorithms.</summary>
internal static class PacketCiphers
{
    /// <summary>A cipher with its keys set; the caller's copies may go at once.</summary>
    /// <param name="encryption">The encryption algorithm.</param>
    /// <param name="encryptionKey">Its key, an AEAD's salt behind it.</param>
    /// <param name="integrity">NONE with an AEAD, needed with anything else.</param>
    /// <param name="integrityKey">Its key; empty with an AEAD.</param>
    /// <exception cref="PcpuIpsecException">A key has the wrong length, the pair is none, or the library lacks an algorithm.</exception>
    public static PacketCipher Create(
        EncryptionAlgorithm encryption,
        ReadOnlySpan<byte> encryptionKey,
        IntegrityAlgorithm integrity,
        ReadOnlySpan<byte> integrityKey)
    {
        // Refuses what the library lacks.
        _ = Algorithms.IvLength(encryption);
        bool aead = encryption.IsAead();
        if (aead != (integrity == IntegrityAlgorithm.NONE))
            throw Refused(aead ? $"{encryption} takes no integrity algorithm; {integrity} was given." : $"{encryption} needs an integrity algorithm; none was given.");
        if (integrityKey.Length != Algorithms.KeyLength(integrity))
            throw Refused($"The key of {integrity} has {integrityKey.Length} bytes; {Algorithms.KeyLength(integrity)} are needed.");

        return (encryption, encryptionKey.Length) switch
        {
            (EncryptionAlgorithm.ENCR_AES_GCM_16, 16 + Algorithms.SaltLength) => new AeadCipher("AES-128-GCM", encryptionKey),
            (EncryptionAlgorithm.ENCR_AES_GCM_16, 32 + Algorithms.SaltLength) => new AeadCipher("AES-256-GCM", encryptionKey),
            (EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 32 + Algorithms.SaltLength) => new AeadCipher("ChaCha20-Poly1305", encryptionKey),
            (EncryptionAlgorithm.ENCR_AES_CBC, 16) => new CbcHmacCipher("AES-128-CBC", encryptionKey, integrity, integrityKey),
            (EncryptionAlgorithm.ENCR_AES_CBC, 32) => new CbcHmacCipher("AES-256-CBC", encryptionKey, integrity, integrityKey),
            (EncryptionAlgorithm.ENCR_NULL, 0) => new NullHmacCipher(integrity, integrityKey),
            _ => throw Refused($"The key of {encryption} has {encryptionKey.Length} bytes; {AllowedKeyLengths(encryption)}."),
        };
    }

    private static string AllowedKeyLengths(EncryptionAlgorithm encryption) => encryption switch
    {
        EncryptionAlgorithm.ENCR_AES_GCM_16 => "20 or 36 are needed, the salt of 4 included",
        EncryptionAlgorithm.ENCR_CHACHA20_POLY1305 => "36 are needed, the salt of 4 included",
        EncryptionAlgorithm.ENCR_AES_CBC => "16 or 32 are needed",
        _ => "none are needed",
    };

    private static PcpuIpsecException Refused(string message) => new(PcpuIpsecError.CryptoFailure, message);
}
