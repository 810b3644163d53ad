namespace PcpuIpsec.Ike.Proposals;

/// <summary>The words of a suite: strongSwan's, libreswan's and IANA's names of one algorithm are the same algorithm.</summary>
internal static class Keywords
{
    // The first word of each row is the canonical one, which a suite prints.
    private static readonly (Transform[] Transforms, string[] Words)[] _table =
    [
        ([Gcm(128)], ["aes128gcm16", "aes128gcm", "aes128gcm128", "aes_gcm128", "aes_gcm_128", "aes_gcm_16_128", "aes_gcm_c_128"]),
        ([Gcm(256)], ["aes256gcm16", "aes256gcm", "aes256gcm128", "aes_gcm256", "aes_gcm_256", "aes_gcm_16_256", "aes_gcm_c_256"]),
        // libreswan's words without a length mean both, the longer first.
        ([Gcm(256), Gcm(128)], ["aes_gcm", "aes_gcm_16", "aes_gcm_c"]),
        ([Encr(EncryptionAlgorithm.ENCR_CHACHA20_POLY1305)], ["chacha20poly1305", "chacha20_poly1305"]),
        ([Cbc(128)], ["aes128", "aes128cbc", "aes_cbc128", "aes_cbc_128", "aes"]),
        ([Cbc(256)], ["aes256", "aes256cbc", "aes_cbc256", "aes_cbc_256"]),
        ([Cbc(256), Cbc(128)], ["aes_cbc"]),
        ([Encr(EncryptionAlgorithm.ENCR_NULL)], ["null"]),

        ([Integ(IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128)], ["sha256", "sha2_256", "sha2", "hmac_sha2_256", "hmac_sha2_256_128"]),
        ([Integ(IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192)], ["sha384", "sha2_384", "hmac_sha2_384", "hmac_sha2_384_192"]),
        ([Integ(IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256)], ["sha512", "sha2_512", "hmac_sha2_512", "hmac_sha2_512_256"]),

        ([Prf(PseudorandomFunction.PRF_HMAC_SHA2_256)], ["prfsha256", "prf_hmac_sha2_256"]),
        ([Prf(PseudorandomFunction.PRF_HMAC_SHA2_384)], ["prfsha384", "prf_hmac_sha2_384"]),
        ([Prf(PseudorandomFunction.PRF_HMAC_SHA2_512)], ["prfsha512", "prf_hmac_sha2_512"]),

        ([Ke(KeyExchangeMethod.CURVE25519)], ["x25519", "curve25519", "dh31"]),
        ([Ke(KeyExchangeMethod.CURVE448)], ["x448", "curve448", "dh32"]),
        ([Ke(KeyExchangeMethod.ECP_256)], ["ecp256", "ecp_256", "dh19"]),
        ([Ke(KeyExchangeMethod.ECP_384)], ["ecp384", "ecp_384", "dh20"]),
        ([Ke(KeyExchangeMethod.ECP_521)], ["ecp521", "ecp_521", "dh21"]),
        ([Ke(KeyExchangeMethod.MODP_2048)], ["modp2048", "modp_2048", "dh14"]),
        ([Ke(KeyExchangeMethod.MODP_3072)], ["modp3072", "modp_3072", "dh15"]),
        ([Ke(KeyExchangeMethod.MODP_4096)], ["modp4096", "modp_4096", "dh16"]),
        ([Ke(KeyExchangeMethod.NONE)], ["none", "modpnone", "dh0"]),

        ([Esn(ExtendedSequenceNumbers.Yes)], ["esn"]),
        ([Esn(ExtendedSequenceNumbers.No)], ["noesn"]),
    ];

    private static readonly Dictionary<string, Transform[]> _byWord = _table
        .SelectMany(row => row.Words, (row, word) => (word, row.Transforms))
        .ToDictionary(entry => entry.word, entry => entry.Transforms, StringComparer.OrdinalIgnoreCase);

    private static readonly Dictionary<Transform, string> _byTransform = _table
        .Where(row => row.Transforms.Length == 1)
        .ToDictionary(row => row.Transforms[0], row => row.Words[0]);

    /// <summary>The words that a suite prints.</summary>
    public static IEnumerable<string> Canonical => _table.Where(row => row.Transforms.Length == 1).Select(row => row.Words[0]);

    public static bool TryFind(string word, out IReadOnlyList<Transform> transforms)
    {
        bool found = _byWord.TryGetValue(word, out Transform[]? known);
        transforms = known ?? [];
        return found;
    }

    public static string WordOf(Transform transform) => _byTransform[transform];

    /// <summary>The known word that takes the fewest edits; of equals the earliest of the table.</summary>
    public static string Nearest(string word)
    {
        string lower = word.ToLowerInvariant();
        return _table.SelectMany(row => row.Words).MinBy(known => EditDistance(lower, known))!;
    }

    public static Transform Ke(KeyExchangeMethod method) => new(TransformType.KE, (ushort)method);

    public static Transform Prf(PseudorandomFunction prf) => new(TransformType.PRF, (ushort)prf);

    public static Transform Integ(IntegrityAlgorithm integrity) => new(TransformType.INTEG, (ushort)integrity);

    public static Transform Esn(ExtendedSequenceNumbers esn) => new(TransformType.ESN, (ushort)esn);

    private static Transform Encr(EncryptionAlgorithm encryption, ushort? keyBits = null) => new(TransformType.ENCR, (ushort)encryption, keyBits);

    private static Transform Gcm(ushort keyBits) => Encr(EncryptionAlgorithm.ENCR_AES_GCM_16, keyBits);

    private static Transform Cbc(ushort keyBits) => Encr(EncryptionAlgorithm.ENCR_AES_CBC, keyBits);

    /// <summary>Levenshtein's distance: insertions, deletions and replacements of one letter.</summary>
    private static int EditDistance(string one, string other)
    {
        int[] previous = [.. Enumerable.Range(0, other.Length + 1)];
        for (int i = 1; i <= one.Length; i++)
        {
            int[] current = new int[other.Length + 1];
            current[0] = i;
            for (int j = 1; j <= other.Length; j++)
            {
                int replace = previous[j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
                current[j] = Math.Min(replace, Math.Min(previous[j], current[j - 1]) + 1);
            }

            previous = current;
        }

        return previous[^1];
    }
}
