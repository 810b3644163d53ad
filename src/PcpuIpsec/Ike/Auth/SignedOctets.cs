using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Auth;

/// <summary>What one end signs to prove that it is who it says (RFC 7296 §2.15).</summary>
internal static class SignedOctets
{
    /// <summary>
    /// InitiatorSignedOctets = RealMessage1 | NonceRData | prf(SK_pi, RestOfInitIDPayload), and for the responder
    /// RealMessage2 | NonceIData | prf(SK_pr, RestOfRespIDPayload).
    /// </summary>
    /// <param name="prf">The IKE SA's PRF.</param>
    /// <param name="firstMessage">The signer's own IKE_SA_INIT message, header and all, without a non-ESP marker.</param>
    /// <param name="peerNonce">The nonce data of the other end, without the payload's header.</param>
    /// <param name="skP">The signer's SK_pi or SK_pr.</param>
    /// <param name="idPayloadBody">The signer's ID payload without its generic header: ID type, three reserved bytes, data.</param>
    public static byte[] Compute(
        PseudorandomFunction prf,
        ReadOnlySpan<byte> firstMessage,
        ReadOnlySpan<byte> peerNonce,
        Secret skP,
        ReadOnlySpan<byte> idPayloadBody)
    {
        byte[] octets = new byte[firstMessage.Length + peerNonce.Length + Algorithms.OutputLength(prf)];
        firstMessage.CopyTo(octets);
        peerNonce.CopyTo(octets.AsSpan(firstMessage.Length));
        Prf.Compute(prf, skP.Span, idPayloadBody, octets.AsSpan(firstMessage.Length + peerNonce.Length));
        return octets;
    }
}
