using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike.Proposals;

/// <summary>
/// Algorithms that are offered together, as strongSwan and libreswan users write them:
/// <c>aes128gcm16-sha256-x25519</c> for IKE, <c>aes256gcm16-esn</c> for ESP. Several of one kind are alternatives,
/// the preferred one first.
/// </summary>
public sealed partial class CipherSuite : IEquatable<CipherSuite>
{
    internal CipherSuite(IReadOnlyList<Transform> transforms) => Transforms = transforms;

    /// <summary>What is offered for IKE where nothing else is asked for: AEADs first, X25519 first.</summary>
    public static IReadOnlyList<CipherSuite> DefaultIke { get; } =
    [
        ParseIke("aes128gcm16-aes256gcm16-chacha20poly1305-sha256-sha384-sha512-x25519-ecp256-ecp384-x448-ecp521-modp3072-modp4096-modp2048"),
        ParseIke("aes128-aes256-sha256-sha384-sha512-x25519-ecp256-ecp384-x448-ecp521-modp3072-modp4096-modp2048"),
    ];

    /// <summary>
    /// What is offered for ESP where nothing else is asked for: AEADs first, extended sequence numbers where the peer has
    /// them, and no key exchange of its own (as strongSwan's and libreswan's peers may offer none).
    /// </summary>
    public static IReadOnlyList<CipherSuite> DefaultEsp { get; } =
    [
        ParseEsp("aes128gcm16-aes256gcm16-chacha20poly1305-esn-noesn"),
        ParseEsp("aes128-aes256-sha256-sha384-sha512-esn-noesn"),
    ];

    /// <summary>The transforms, in order of preference within each type.</summary>
    internal IReadOnlyList<Transform> Transforms { get; }

    /// <summary>True where the suite does not encrypt (<c>null</c>): for measuring, and warned about.</summary>
    public bool IsIntegrityOnly => Of(TransformType.ENCR).Any(transform => transform.Id == (ushort)EncryptionAlgorithm.ENCR_NULL);

    /// <summary>The alternatives of one type, the preferred one first.</summary>
    internal IEnumerable<Transform> Of(TransformType type) => Transforms.Where(transform => transform.Type == type);

    /// <summary>The proposal that offers this suite. Key exchange is left out in IKE_AUTH, where there is none (RFC 7296 §1.2).</summary>
    internal Proposal ToProposal(byte number, ProtocolId protocol, ReadOnlySpan<byte> spi, bool includeKeyExchange)
        => new(number, protocol, spi.ToArray(), [.. Transforms.Where(transform => includeKeyExchange || transform.Type != TransformType.KE)]);

    /// <summary>The canonical words; <see cref="ParseIke"/> or <see cref="ParseEsp"/> of them gives the same suite.</summary>
    public override string ToString()
    {
        List<Transform> integrity = [.. Of(TransformType.INTEG)];
        List<Transform> prfs = [.. Of(TransformType.PRF)];

        // One word says both where they are of the same hashes; beside an AEAD it says the PRF.
        List<string> words = [.. Of(TransformType.ENCR).Select(Keywords.WordOf)];
        words.AddRange(integrity.Select(Keywords.WordOf));
        if (integrity.Count == 0)
            words.AddRange(prfs.Select(prf => Keywords.WordOf(IntegrityOf(prf))));
        else if (!prfs.SequenceEqual(integrity.Select(PrfOf)))
            words.AddRange(prfs.Select(Keywords.WordOf));
        words.AddRange(Of(TransformType.KE).Select(Keywords.WordOf));

        List<Transform> esn = [.. Of(TransformType.ESN)];
        if (!esn.SequenceEqual([Keywords.Esn(ExtendedSequenceNumbers.No)]))
            words.AddRange(esn.Select(Keywords.WordOf));
        return string.Join('-', words);
    }

    /// <summary>Equal where the same is offered in the same order.</summary>
    /// <param name="other">The other suite.</param>
    public bool Equals(CipherSuite? other) => other is not null && Transforms.SequenceEqual(other.Transforms);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as CipherSuite);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        foreach (Transform transform in Transforms)
            hash.Add(transform);
        return hash.ToHashCode();
    }

    private static Transform PrfOf(Transform integrity) => Keywords.Prf((IntegrityAlgorithm)integrity.Id switch
    {
        IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128 => PseudorandomFunction.PRF_HMAC_SHA2_256,
        IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192 => PseudorandomFunction.PRF_HMAC_SHA2_384,
        IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256 => PseudorandomFunction.PRF_HMAC_SHA2_512,
        var unknown => throw new ArgumentOutOfRangeException(nameof(integrity), unknown, "no PRF of the same hash"),
    });

    private static Transform IntegrityOf(Transform prf) => Keywords.Integ((PseudorandomFunction)prf.Id switch
    {
        PseudorandomFunction.PRF_HMAC_SHA2_256 => IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128,
        PseudorandomFunction.PRF_HMAC_SHA2_384 => IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192,
        PseudorandomFunction.PRF_HMAC_SHA2_512 => IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256,
        var unknown => throw new ArgumentOutOfRangeException(nameof(prf), unknown, "no integrity algorithm of the same hash"),
    });
}
