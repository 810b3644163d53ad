using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>Our half of one key agreement (RFC 7296 §1.2, §2.14).</summary>
internal abstract class KeyPair : IDisposable
{
    /// <summary>The method.</summary>
    public abstract KeyExchangeMethod Method { get; }

    /// <summary>What goes into the KE payload, in the method's wire form (RFC 7296 §3.4, RFC 5903 §7, RFC 8031 §3).</summary>
    public abstract ReadOnlyMemory<byte> PublicValue { get; }

    /// <summary>Agrees with the peer's public value.</summary>
    /// <exception cref="PcpuIpsecException">The value has the wrong length, is not on the curve, or gives a forbidden result (all zero, 0, 1, p-1).</exception>
    public abstract Secret Derive(ReadOnlySpan<byte> peerPublicValue);

    /// <inheritdoc/>
    public abstract void Dispose();
}
