using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike.Proposals;

/// <summary>
/// Algorithms that are offered together, as strongSwan and libreswan users write them:
/// <c>aes128gcm16-sha256-x25519</c> for IKE, <c>aes256gcm16-esn</c> for ESP. Several of one kind are alternatives.
/// </summary>
public sealed class CipherSuite
{
    internal CipherSuite(IReadOnlyList<Transform> transforms) => Transforms = transforms;

    /// <summary>What is offered for IKE where nothing else is asked for.</summary>
    public static IReadOnlyList<CipherSuite> DefaultIke => throw new NotSupportedException();

    /// <summary>What is offered for ESP where nothing else is asked for.</summary>
    public static IReadOnlyList<CipherSuite> DefaultEsp => throw new NotSupportedException();

    /// <summary>The transforms, in order of preference within each type.</summary>
    internal IReadOnlyList<Transform> Transforms { get; }

    /// <summary>Reads a suite for the IKE SA.</summary>
    public static CipherSuite ParseIke(string text) => throw new NotSupportedException();

    /// <summary>Reads a suite for Child SAs.</summary>
    public static CipherSuite ParseEsp(string text) => throw new NotSupportedException();

    internal Proposal ToProposal(byte number, ProtocolId protocol, ReadOnlySpan<byte> spi, bool includeKeyExchange) => throw new NotSupportedException();
}
