using System.Net;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Exchanges;

/// <summary>
/// IKE_SA_INIT (RFC 7296 §1.2):
/// <code>
/// HDR, SAi1, KEi, Ni, N(NAT_DETECTION_SOURCE_IP), N(NAT_DETECTION_DESTINATION_IP)  -->
///                                   &lt;--  HDR, SAr1, KEr, Nr, N(NAT_DETECTION_*)
/// </code>
/// </summary>
internal static class IkeSaInit
{
    public const int NonceLength = 32;

    // A cookie and one other group are what an honest responder asks for; once more each where its secret changed meanwhile.
    private const int MaxRounds = 5;

    /// <summary>The initiator's side; afterwards the IKE SA has its keys.</summary>
    public static async Step<bool> Initiate(IkeSa sa)
    {
        IkeConnection connection = sa.Connection;
        IReadOnlyList<Proposal> proposals = ChildSaNegotiation.Offer(connection.IkeSuites, ProtocolId.IKE, [], includeKeyExchange: true);
        HashSet<KeyExchangeMethod> tried = [];
        KeyExchangeMethod method = connection.IkeSuites[0].KeyExchangeMethods[0];
        byte[] nonce = sa.Runtime.RandomBytes(NonceLength);
        byte[]? cookie = null;
        KeyPair? keyPair = null;
        try
        {
            for (int round = 0; round < MaxRounds; round++)
            {
                if (tried.Add(method))
                {
                    keyPair?.Dispose();
                    keyPair = null;
                    keyPair = (await sa.Runtime.Ask<KeyPairGenerated>(sa.Session, id => new GenerateKeyPair(id, method), PcpuIpsecError.CryptoFailure)).KeyPair;
                }
                List<Payload> payloads = [];
                // §2.6: the cookie comes first, the rest is sent unchanged.
                if (cookie is not null)
                    payloads.Add(new NotifyPayload(NotifyType.COOKIE, cookie));
                payloads.AddRange([new SaPayload(proposals), new KePayload(method, keyPair!.PublicValue.ToArray()), new NoncePayload(nonce)]);
                AddNatDetection(payloads, sa, responderSpi: 0);
                byte[] request = IkeMessage.BuildClear(sa.SpiI, 0, ExchangeType.IKE_SA_INIT, IkeFlags.Initiator, 0, payloads);
                IkeReply reply = (await sa.Requests.SendInit(request))!;

                if (reply.Payloads.Notify(NotifyType.COOKIE) is { Data.Length: >= 1 and <= 64 } asked)
                {
                    cookie = asked.Data;
                }
                else if (reply.Payloads.Notify(NotifyType.INVALID_KE_PAYLOAD) is { } invalidKe)
                {
                    KeyExchangeMethod? wanted = ChildSaNegotiation.ReadWantedKeyExchange(invalidKe.Data);
                    if (wanted is not { } other || tried.Contains(other) || !connection.IkeSuites.Any(s => s.KeyExchangeMethods.Contains(other)))
                        throw new ExchangeFailure(PcpuIpsecError.NoProposalChosen, $"the peer wants key exchange {wanted}, which is not one of ours that is left to try");
                    method = other;
                }
                else
                {
                    ChildSaNegotiation.ThrowOnError(reply.Payloads);
                    await Finish(sa, reply, proposals, keyPair, request, nonce);
                    return true;
                }
            }
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, $"the peer asked for more than {MaxRounds} rounds of IKE_SA_INIT");
        }
        finally
        {
            keyPair?.Dispose();
        }
    }

    private static async Step<bool> Finish(IkeSa sa, IkeReply reply, IReadOnlyList<Proposal> proposals, KeyPair keyPair, byte[] request, byte[] nonce)
    {
        if (reply.Payloads.Find<SaPayload>() is not { } answered || reply.Payloads.Find<KePayload>() is not { } ke || reply.Payloads.Find<NoncePayload>() is not { } peerNonce || reply.Header.ResponderSpi == 0)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the response to IKE_SA_INIT lacks SA, KE, Nr or the responder's SPI");
        if (!ProposalSelection.TryAccept(answered.Proposals, proposals, out ChosenSuite? suite) || suite.KeyExchange != keyPair.Method || ke.Method != keyPair.Method)
            throw new ExchangeFailure(PcpuIpsecError.NoProposalChosen, "the peer chose a proposal that was not offered");
        sa.SpiR = reply.Header.ResponderSpi;
        (sa.InitRequest, sa.InitResponse, sa.NonceI, sa.NonceR) = (request, reply.Datagram, nonce, peerNonce.Data);
        DetectNat(sa, reply.Payloads, sa.SpiR);
        if (sa.Encapsulate)
        {
            // §2.23: with a NAT between, everything moves to the other port, ESP and IKE alike.
            sa.Local = new IPEndPoint(sa.Local.Address, sa.Connection.NatTraversalPort);
            sa.Remote = new IPEndPoint(sa.Remote.Address, sa.Connection.NatTraversalPort);
        }
        using Secret shared = (await sa.Runtime.Ask<SharedSecretDerived>(sa.Session, id => new DeriveSharedSecret(id, keyPair, ke.Data), PcpuIpsecError.CryptoFailure)).Secret;
        sa.UseKeys(suite, IkeSaKeys.Derive(suite, shared.Span, sa.NonceI, sa.NonceR, sa.SpiI, sa.SpiR));
        return true;
    }

    /// <summary>The responder's side, once the request was found worth a state: the answer and its suite are chosen.</summary>
    public static async Step<bool> Respond(IkeSa sa, DatagramReceived datagram, IReadOnlyList<Payload> payloads, Proposal answer, ChosenSuite suite)
    {
        byte[] peerPublic = payloads.Find<KePayload>()!.Data;
        (sa.InitRequest, sa.NonceI, sa.NonceR) = (datagram.Message, payloads.Find<NoncePayload>()!.Data, sa.Runtime.RandomBytes(NonceLength));
        DetectNat(sa, payloads, responderSpi: 0);
        KeyPair? keyPair = null;
        try
        {
            keyPair = (await sa.Runtime.Ask<KeyPairGenerated>(sa.Session, id => new GenerateKeyPair(id, suite.KeyExchange), PcpuIpsecError.CryptoFailure)).KeyPair;
            using Secret shared = (await sa.Runtime.Ask<SharedSecretDerived>(sa.Session, id => new DeriveSharedSecret(id, keyPair, peerPublic), PcpuIpsecError.CryptoFailure)).Secret;
            sa.UseKeys(suite, IkeSaKeys.Derive(suite, shared.Span, sa.NonceI, sa.NonceR, sa.SpiI, sa.SpiR));
            List<Payload> response = [new SaPayload([answer]), new KePayload(suite.KeyExchange, keyPair.PublicValue.ToArray()), new NoncePayload(sa.NonceR)];
            AddNatDetection(response, sa, sa.SpiR);
            sa.InitResponse = IkeMessage.BuildClear(sa.SpiI, sa.SpiR, ExchangeType.IKE_SA_INIT, IkeFlags.Response, 0, response);
            sa.Transmit(sa.InitResponse);
        }
        catch (ExchangeFailure failure)
        {
            // A public value that is no point of the curve, say: no answer, no state (§2.21.1).
            sa.Terminate(failure.Error, failure.Message);
        }
        finally
        {
            keyPair?.Dispose();
        }
        return true;
    }

    // §2.23: hashes of SPIs, address and port as the sender sees them. To have ESP encapsulated without a NAT we send one
    // for a source that cannot be: the peer then finds a NAT before us.
    private static void AddNatDetection(List<Payload> payloads, IkeSa sa, ulong responderSpi)
    {
        byte[] source = new byte[NatHash.Length];
        byte[] destination = new byte[NatHash.Length];
        NatHash.Compute(sa.SpiI, responderSpi, sa.Local.Address, sa.Local.Port, source);
        NatHash.Compute(sa.SpiI, responderSpi, sa.Remote.Address, sa.Remote.Port, destination);
        if (sa.Connection.ForceEncapsulation)
            source = sa.Runtime.RandomBytes(NatHash.Length);
        payloads.Add(new NotifyPayload(NotifyType.NAT_DETECTION_SOURCE_IP, source));
        payloads.Add(new NotifyPayload(NotifyType.NAT_DETECTION_DESTINATION_IP, destination));
    }

    private static void DetectNat(IkeSa sa, IReadOnlyList<Payload> payloads, ulong responderSpi)
    {
        NotifyPayload[] sources = [.. payloads.OfType<NotifyPayload>().Where(n => n.Notify == NotifyType.NAT_DETECTION_SOURCE_IP)];
        if (sources.Length == 0 || payloads.Notify(NotifyType.NAT_DETECTION_DESTINATION_IP) is not { } destination)
            return;
        byte[] expected = new byte[NatHash.Length];
        NatHash.Compute(sa.SpiI, responderSpi, sa.Remote.Address, sa.Remote.Port, expected);
        sa.PeerBehindNat = !sources.Any(n => n.Data.AsSpan().SequenceEqual(expected));
        NatHash.Compute(sa.SpiI, responderSpi, sa.Local.Address, sa.Local.Port, expected);
        sa.BehindNat = !destination.Data.AsSpan().SequenceEqual(expected);
        sa.Encapsulate = sa.PeerBehindNat || sa.BehindNat || sa.Connection.ForceEncapsulation;
    }
}
