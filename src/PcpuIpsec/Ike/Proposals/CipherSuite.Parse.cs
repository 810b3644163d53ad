namespace PcpuIpsec.Ike.Proposals;

/// <content>Suites from words.</content>
public sealed partial class CipherSuite
{
    /// <summary>
    /// Reads a suite for the IKE SA: encryption, hash and key exchange, e.g. <c>aes256gcm16-sha384-ecp384</c>. Beside an
    /// AEAD the hash is the PRF; else it is integrity and PRF, unless a <c>prfsha…</c> names the PRF.
    /// </summary>
    /// <param name="text">The words, separated by <c>-</c> (libreswan's <c>;</c> and <c>+</c> are taken too).</param>
    /// <exception cref="PcpuIpsecException">A word is unknown or a part is missing (<see cref="PcpuIpsecError.InvalidOption"/>).</exception>
    public static CipherSuite ParseIke(string text)
    {
        SuiteWords words = Read(text);
        if (words.Of(TransformType.ENCR).Exists(IsNull))
            throw Invalid(text, "null is for ESP only; IKE is always encrypted");
        if (words.Of(TransformType.ESN).Count > 0)
            throw Invalid(text, "esn and noesn are for ESP only");
        if (words.Of(TransformType.KE).Count == 0 || words.Of(TransformType.KE).Exists(IsNone))
            throw Invalid(text, "IKE needs a key exchange, e.g. x25519");

        List<Transform> integrity = words.Of(TransformType.INTEG);
        List<Transform> prfs = words.Of(TransformType.PRF);
        if (prfs.Count == 0)
            prfs = [.. integrity.Select(PrfOf)];
        if (prfs.Count == 0)
            throw Invalid(text, "IKE needs a hash for its PRF, e.g. sha256");

        return new CipherSuite([.. words.Of(TransformType.ENCR), .. Integrity(words), .. prfs, .. words.Of(TransformType.KE)]);
    }

    /// <summary>
    /// Reads a suite for Child SAs, e.g. <c>aes128gcm16-esn-noesn</c> or <c>aes256-sha256-x25519</c>. A hash beside an AEAD
    /// and a PRF are dropped, so that what was written for IKE can be used. A key exchange makes new keys independent of
    /// the IKE SA's (PFS), with <c>none</c> beside it only where the peer wants it. Without <c>esn</c> only 32-bit sequence
    /// numbers are offered, as strongSwan does; <c>esn-noesn</c> offers both.
    /// </summary>
    /// <param name="text">The words, separated by <c>-</c> (libreswan's <c>;</c> and <c>+</c> are taken too).</param>
    /// <exception cref="PcpuIpsecException">A word is unknown or a part is missing (<see cref="PcpuIpsecError.InvalidOption"/>).</exception>
    public static CipherSuite ParseEsp(string text)
    {
        SuiteWords words = Read(text);
        List<Transform> esn = words.Of(TransformType.ESN);
        if (esn.Count == 0)
            esn.Add(Keywords.Esn(ExtendedSequenceNumbers.No));
        List<Transform> keyExchange = words.Of(TransformType.KE);
        if (keyExchange.TrueForAll(IsNone))
            keyExchange.Clear(); // leaving it out says the same

        return new CipherSuite([.. words.Of(TransformType.ENCR), .. Integrity(words), .. keyExchange, .. esn]);
    }

    private static SuiteWords Read(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        SuiteWords words = new(text, []);
        string? previous = null;
        foreach (string word in text.Split(['-', ';', '+', ','], StringSplitOptions.TrimEntries))
        {
            words.Add(word, previous);
            previous = word;
        }

        List<Transform> encryption = words.Of(TransformType.ENCR);
        if (encryption.Count == 0)
            throw Invalid(text, "no encryption is named, e.g. aes128gcm16");
        if (encryption.Exists(IsAead) && !encryption.TrueForAll(IsAead))
            throw Invalid(text, "AEADs (gcm, chacha20poly1305) and other ciphers cannot be in one suite; write two");
        if (encryption.Exists(IsNull) && encryption.Count > 1)
            throw Invalid(text, "null cannot be an alternative to encryption; write a suite of its own");
        return words;
    }

    /// <summary>None beside an AEAD (RFC 7296 §3.3), one at least beside any other.</summary>
    private static List<Transform> Integrity(SuiteWords words)
    {
        if (words.Of(TransformType.ENCR).Exists(IsAead))
            return [];
        List<Transform> integrity = words.Of(TransformType.INTEG);
        return integrity.Count > 0 ? integrity : throw Invalid(words.Text, "without an AEAD integrity is needed, e.g. sha256");
    }

    private static bool IsAead(Transform transform) => ((EncryptionAlgorithm)transform.Id).IsAead();

    private static bool IsNull(Transform transform) => transform.Id == (ushort)EncryptionAlgorithm.ENCR_NULL;

    private static bool IsNone(Transform transform) => transform.Id == (ushort)KeyExchangeMethod.NONE;

    private static PcpuIpsecException Invalid(string text, string reason)
        => new(PcpuIpsecError.InvalidOption, $"The suite '{text}' cannot be used: {reason}.");

    private sealed record SuiteWords(string Text, List<Transform> Transforms)
    {
        public List<Transform> Of(TransformType type) => Transforms.FindAll(transform => transform.Type == type);

        public void Add(string word, string? previous)
        {
            if (word.Length == 0)
                throw Invalid(Text, "a word is empty");
            if (string.Equals(word, "cbc", StringComparison.OrdinalIgnoreCase) && previous is not null && IsCbc(previous))
                return; // aes128-cbc
            if (IsNullIntegrity(word))
                return; // libreswan's aes_gcm-null
            if (!Keywords.TryFind(word, out IReadOnlyList<Transform> transforms))
                throw Invalid(Text, $"'{word}' is unknown; the nearest known is '{Keywords.Nearest(word)}'. Known are {string.Join(", ", Keywords.Canonical)}");

            foreach (Transform transform in transforms)
            {
                if (!Transforms.Contains(transform))
                    Transforms.Add(transform);
            }
        }

        private bool IsNullIntegrity(string word)
            => string.Equals(word, "null", StringComparison.OrdinalIgnoreCase) && Of(TransformType.ENCR) is { Count: > 0 } encryption && encryption.TrueForAll(IsAead);

        private static bool IsCbc(string word)
            => Keywords.TryFind(word, out IReadOnlyList<Transform> transforms) && transforms[0] is { Type: TransformType.ENCR, Id: (ushort)EncryptionAlgorithm.ENCR_AES_CBC };
    }
}
