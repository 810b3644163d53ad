using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>
/// Lines of the tables from which Wireshark and tshark decrypt; they belong into files of these names in its profile folder.
/// They hold the keys in clear: made on explicit request only, never logged. A null line means that Wireshark cannot decrypt the suite.
/// </summary>
internal static class WiresharkKeys
{
    /// <summary>The file of <see cref="IkeSa"/>'s lines.</summary>
    public const string IkeFile = "ikev2_decryption_table";

    /// <summary>The file of <see cref="EspSa"/>'s lines. Decryption has to be switched on: <c>-o esp.enable_encryption_decode:TRUE</c>.</summary>
    public const string EspFile = "esp_sa";

    /// <summary>SPIi, SPIr, SK_ei, SK_er, encryption, SK_ai, SK_ar, integrity.</summary>
    public static string? IkeSa(ulong spiI, ulong spiR, IkeSaKeys keys)
    {
        string? encryption = (keys.Suite.Encryption, keys.Suite.KeyBits) switch
        {
            (EncryptionAlgorithm.ENCR_NULL, _) => "NULL [RFC2410]",
            (EncryptionAlgorithm.ENCR_AES_CBC, var bits) => $"AES-CBC-{bits} [RFC3602]",
            (EncryptionAlgorithm.ENCR_AES_GCM_16, var bits) => $"AES-GCM-{bits} with 16 octet ICV [RFC5282]",
            _ => null,
        };
        string? integrity = keys.Suite.Integrity switch
        {
            IntegrityAlgorithm.NONE => "NONE [RFC4306]",
            IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128 => "HMAC_SHA2_256_128 [RFC4868]",
            IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192 => "HMAC_SHA2_384_192 [RFC4868]",
            IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256 => "HMAC_SHA2_512_256 [RFC4868]",
            _ => null,
        };
        return encryption is null || integrity is null
            ? null
            : $"{spiI:x16},{spiR:x16},{Hex(keys.SkEi)},{Hex(keys.SkEr)},\"{encryption}\",{Hex(keys.SkAi)},{Hex(keys.SkAr)},\"{integrity}\"";
    }

    /// <summary>Protocol, source, destination, SPI, encryption, its key with the salt, integrity, its key.</summary>
    public static string? EspSa(SaInstallation sa)
    {
        string? encryption = sa.Suite.Encryption switch
        {
            EncryptionAlgorithm.ENCR_NULL => "NULL",
            EncryptionAlgorithm.ENCR_AES_CBC => "AES-CBC [RFC3602]",
            EncryptionAlgorithm.ENCR_AES_GCM_16 => "AES-GCM with 16 octet ICV [RFC4106]",
            EncryptionAlgorithm.ENCR_CHACHA20_POLY1305 => "ChaCha20 with Poly1305 [RFC7634]", // Wireshark 4.2 and later.
            _ => null,
        };
        string? integrity = sa.Suite.Integrity switch
        {
            IntegrityAlgorithm.NONE => "NULL",
            IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128 => "HMAC-SHA-256-128 [RFC4868]",
            IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192 => "HMAC-SHA-384-192 [RFC4868]",
            IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256 => "HMAC-SHA-512-256 [RFC4868]",
            _ => null,
        };
        return encryption is null || integrity is null
            ? null
            : $"\"{Family(sa.Source)}\",\"{sa.Source}\",\"{sa.Destination}\",\"0x{sa.Spi:x8}\",\"{encryption}\",\"{Prefixed(sa.EncryptionKey)}\",\"{integrity}\",\"{Prefixed(sa.IntegrityKey)}\"";
    }

    private static string Family(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork ? "IPv4" : "IPv6";

    private static string Hex(Secret key) => Convert.ToHexStringLower(key.Span);

    private static string Prefixed(Secret key) => key.Length == 0 ? "" : $"0x{Hex(key)}";
}
