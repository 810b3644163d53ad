namespace PcpuIpsec.Ike.Proposals;

/// <summary>
/// Algorithms that are offered together, as strongSwan and libreswan users write them:
/// <c>aes128gcm16-sha256-x25519</c> for IKE, <c>aes256gcm16-esn</c> for ESP. Several of one kind are alternatives.
/// </summary>
public sealed class CipherSuite
{
    internal CipherSuite(IReadOnlyList<Transform> transforms) => Transforms = transforms;

    /// <summary>The transforms, in order of preference within each type.</summary>
    internal IReadOnlyList<Transform> Transforms { get; }
}
