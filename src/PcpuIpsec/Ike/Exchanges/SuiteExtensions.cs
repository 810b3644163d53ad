using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Exchanges;

/// <summary>What exchanges ask of suites.</summary>
internal static class SuiteExtensions
{
    extension(CipherSuite suite)
    {
        /// <summary>The key exchange methods, in order of preference; none where the suite has no key exchange of its own.</summary>
        public IReadOnlyList<KeyExchangeMethod> KeyExchangeMethods => [.. suite.Of(TransformType.KE).Select(t => (KeyExchangeMethod)t.Id)];

        /// <summary>Whether the suite of an IKE SA is one of those that this one stands for.</summary>
        public bool Allows(ChosenSuite chosen)
            => suite.Of(TransformType.ENCR).Any(t => t.Id == (ushort)chosen.Encryption && (t.KeyBits ?? chosen.KeyBits) == chosen.KeyBits)
                && (chosen.Integrity == IntegrityAlgorithm.NONE || suite.Of(TransformType.INTEG).Any(t => t.Id == (ushort)chosen.Integrity))
                && suite.Of(TransformType.PRF).Any(t => t.Id == (ushort?)chosen.Prf)
                && suite.KeyExchangeMethods.Contains(chosen.KeyExchange);
    }

    extension(ChosenSuite chosen)
    {
        /// <summary>
        /// An offer of just these algorithms, with the key exchanges that the configuration allows beside them: for the Child
        /// SAs of a group, which all have the same properties (RFC 9611 §3), and for rekeying.
        /// </summary>
        public CipherSuite ToOffer(IReadOnlyList<CipherSuite> configured)
        {
            List<Transform> transforms = [new(TransformType.ENCR, (ushort)chosen.Encryption, HasKeyLength(chosen.Encryption) ? (ushort)chosen.KeyBits : null)];
            if (chosen.Integrity != IntegrityAlgorithm.NONE)
                transforms.Add(new Transform(TransformType.INTEG, (ushort)chosen.Integrity));
            IEnumerable<Transform> exchanges = configured
                .Where(s => s.Of(TransformType.ENCR).Any(t => t.Id == (ushort)chosen.Encryption && (t.KeyBits ?? chosen.KeyBits) == chosen.KeyBits))
                .SelectMany(s => s.Of(TransformType.KE)).Distinct();
            transforms.AddRange(exchanges);
            transforms.Add(new Transform(TransformType.ESN, (ushort)(chosen.Esn ? ExtendedSequenceNumbers.Yes : ExtendedSequenceNumbers.No)));
            return new CipherSuite(transforms);
        }
    }

    // §3.3.5: only ciphers of variable key length carry the attribute.
    private static bool HasKeyLength(EncryptionAlgorithm algorithm) => algorithm is EncryptionAlgorithm.ENCR_AES_CBC or EncryptionAlgorithm.ENCR_AES_GCM_16;
}
