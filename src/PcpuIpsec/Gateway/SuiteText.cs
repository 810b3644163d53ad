using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Gateway;

/// <summary>A negotiated suite in the keywords that options are written in.</summary>
internal static class SuiteText
{
    public static string Of(ChosenSuite suite)
    {
        List<string> words = [Encryption(suite)];
        if (suite.Integrity != IntegrityAlgorithm.NONE)
            words.Add(Integrity(suite.Integrity));
        // With separate integrity the PRF is named only where it is of another hash, as in the option.
        if (suite.Prf is { } prf && !(suite.Integrity != IntegrityAlgorithm.NONE && Prf(prf) == Integrity(suite.Integrity)))
            words.Add(suite.Integrity == IntegrityAlgorithm.NONE ? Prf(prf) : "prf" + Prf(prf));
        if (suite.KeyExchange != KeyExchangeMethod.NONE)
            words.Add(KeyExchange(suite.KeyExchange));
        if (suite.Esn)
            words.Add("esn");
        return string.Join('-', words);
    }

    private static string Encryption(ChosenSuite suite) => suite.Encryption switch
    {
        EncryptionAlgorithm.ENCR_NULL => "null",
        EncryptionAlgorithm.ENCR_AES_CBC => $"aes{suite.KeyBits}",
        EncryptionAlgorithm.ENCR_AES_GCM_16 => $"aes{suite.KeyBits}gcm16",
        EncryptionAlgorithm.ENCR_CHACHA20_POLY1305 => "chacha20poly1305",
        _ => suite.Encryption.ToString(),
    };

    private static string Integrity(IntegrityAlgorithm integrity) => integrity switch
    {
        IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128 => "sha256",
        IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192 => "sha384",
        IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256 => "sha512",
        _ => integrity.ToString(),
    };

    private static string Prf(PseudorandomFunction prf) => prf switch
    {
        PseudorandomFunction.PRF_HMAC_SHA2_256 => "sha256",
        PseudorandomFunction.PRF_HMAC_SHA2_384 => "sha384",
        PseudorandomFunction.PRF_HMAC_SHA2_512 => "sha512",
        _ => prf.ToString(),
    };

    private static string KeyExchange(KeyExchangeMethod method) => method switch
    {
        KeyExchangeMethod.MODP_2048 => "modp2048",
        KeyExchangeMethod.MODP_3072 => "modp3072",
        KeyExchangeMethod.MODP_4096 => "modp4096",
        KeyExchangeMethod.ECP_256 => "ecp256",
        KeyExchangeMethod.ECP_384 => "ecp384",
        KeyExchangeMethod.ECP_521 => "ecp521",
        KeyExchangeMethod.CURVE25519 => "x25519",
        KeyExchangeMethod.CURVE448 => "x448",
        _ => method.ToString(),
    };
}
