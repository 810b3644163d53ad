using System.Buffers.Binary;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Exchanges;

/// <summary>
/// CREATE_CHILD_SA that rekeys the IKE SA (RFC 7296 §1.3.2, §2.18). The Child SAs go over as they are; the new IKE SA
/// begins with message id 0 and a window of 1.
/// <code>
/// HDR, SK {SA, Ni, KEi}  -->
///                  &lt;--  HDR, SK {SA, Nr, KEr}
/// </code>
/// </summary>
internal static class RekeyIkeSa
{
    private static readonly TimeSpan _retryDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _retryAfterRefusal = TimeSpan.FromMinutes(1);

    /// <summary>The initiator's side: waits until nothing is in flight, then rekeys.</summary>
    public static async Step<bool> Initiate(IkeSession session)
    {
        IkeSa old = session.Current;
        if (session.Closed || session.RekeyingByUs || old.State != IkeSaState.Established)
            return false;
        session.RekeyingByUs = true;
        TimeSpan began = old.Runtime.Now;
        try
        {
            await old.Requests.Drain();
            // The peer may have been first while we waited.
            if (old.State != IkeSaState.Established || old.PeerSuccessor is not null)
                return false;
            old.RekeyOffered = true;
            IkeSa ours = await Negotiate(old);
            old.RekeyOffered = false;
            if (old.PeerSuccessor is { } theirs && ours.RekeyNonces!.LosesAgainst(theirs.RekeyNonces!))
            {
                TakeOver(session, old, theirs);
                IkeRuntime.Run(ours.Close(null, "lost against the peer's rekeying at the same time"));
                return false;
            }
            old.PeerSuccessor?.BecomeRekeyed();
            TakeOver(session, old, ours);
            old.Runtime.Notice(new HandshakeDone(old.Connection.Name, Handshake.IkeSaRekey, old.Runtime.Now - began));
            IkeRuntime.Run(old.Close(null, "rekeyed"));
            return true;
        }
        catch (ExchangeFailure failure)
        {
            old.RekeyOffered = false;
            if (session.Closed)
                return false;
            if (old.PeerSuccessor is { } theirs)
            {
                TakeOver(session, old, theirs);
                return false;
            }
            if (old.State != IkeSaState.Established)
                return false;
            old.Runtime.Notice(new IkeSaRekeyFailed(old.Connection.Name, failure.Error, $"rekeying the IKE SA failed: {failure.Message}"));
            TimeSpan delay = failure.Notify == NotifyType.TEMPORARY_FAILURE ? _retryDelay : _retryAfterRefusal;
            session.RekeyTimer?.Cancel();
            session.RekeyTimer = old.Runtime.After(delay + old.Runtime.Jitter(delay, 1), () => IkeRuntime.Run(Initiate(session)));
            return false;
        }
        finally
        {
            session.RekeyingByUs = false;
            if (!session.Closed)
                session.Current.Requests.Resume();
        }
    }

    private static async Step<IkeSa> Negotiate(IkeSa old)
    {
        IkeConnection connection = old.Connection;
        ulong spi = old.Engine.NewSpi();
        byte[] spiBytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(spiBytes, spi);
        IReadOnlyList<Proposal> proposals = ChildSaNegotiation.Offer(connection.IkeSuites, ProtocolId.IKE, spiBytes, includeKeyExchange: true);
        KeyExchangeMethod method = old.Suite!.KeyExchange;
        KeyPair? keyPair = null;
        try
        {
            for (bool second = false; ; second = true)
            {
                keyPair?.Dispose();
                keyPair = null;
                keyPair = (await old.Runtime.Ask<KeyPairGenerated>(old.Session, id => new GenerateKeyPair(id, method), PcpuIpsecError.CryptoFailure)).KeyPair;
                if (old.State != IkeSaState.Established || old.PeerSuccessor is not null)
                    throw new ExchangeFailure(PcpuIpsecError.Aborted, "the peer rekeyed or closed it meanwhile");
                byte[] nonce = old.Runtime.RandomBytes(IkeSaInit.NonceLength);
                IkeReply reply = (await old.Requests.SendFirst(ExchangeType.CREATE_CHILD_SA, [new SaPayload(proposals), new NoncePayload(nonce), new KePayload(method, keyPair.PublicValue.ToArray())]))!;
                if (!second && reply.Payloads.Notify(NotifyType.INVALID_KE_PAYLOAD) is { } invalidKe
                    && ChildSaNegotiation.ReadWantedKeyExchange(invalidKe.Data) is { } wanted && connection.IkeSuites.Any(s => s.KeyExchangeMethods.Contains(wanted)))
                {
                    method = wanted;
                    continue;
                }
                ChildSaNegotiation.ThrowOnError(reply.Payloads);
                if (reply.Payloads.Find<SaPayload>() is not { } answered || reply.Payloads.Find<NoncePayload>() is not { } peerNonce || reply.Payloads.Find<KePayload>() is not { } ke)
                    throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the response lacks SA, Nr or KEr");
                if (!ProposalSelection.TryAccept(answered.Proposals, proposals, out ChosenSuite? suite) || suite.KeyExchange != method || ke.Method != method || !TryReadSpi(answered.Proposals[0], out ulong peerSpi))
                    throw new ExchangeFailure(PcpuIpsecError.NoProposalChosen, "the peer chose a proposal that was not offered");
                using Secret shared = (await old.Runtime.Ask<SharedSecretDerived>(old.Session, id => new DeriveSharedSecret(id, keyPair, ke.Data), PcpuIpsecError.CryptoFailure)).Secret;
                return MakeSuccessor(old, weInitiated: true, spi, peerSpi, suite, shared, new ExchangeNonces(nonce, peerNonce.Data));
            }
        }
        finally
        {
            keyPair?.Dispose();
        }
    }

    /// <summary>The responder's side.</summary>
    public static async Step<Answer> Respond(IkeSa sa, IReadOnlyList<Payload> payloads, SaPayload offered)
    {
        IkeSession session = sa.Session;
        if (payloads.Find<NoncePayload>() is not { } ni || payloads.Find<KePayload>() is not { } ke)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the request lacks Ni or KEi", NotifyType.INVALID_SYNTAX);
        // §2.25.2: what we have in flight must end first, but for a rekeying of the IKE SA itself, and what of the peer's
        // is still being worked on too. One rekeying by the peer at a time.
        if ((sa.Requests.InFlight > 0 && !sa.RekeyOffered) || sa.Responses.InProgress > 1 || sa.PeerSuccessor is not null)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "exchanges are under way", NotifyType.TEMPORARY_FAILURE);
        if (!ProposalSelection.TrySelect(offered.Proposals, sa.Connection.IkeSuites, ProtocolId.IKE, ke.Method, false, out Proposal? answer, out ChosenSuite? suite))
            throw new ExchangeFailure(PcpuIpsecError.NoProposalChosen, $"no proposal is acceptable; ours are {string.Join(", ", sa.Connection.IkeSuites)}", NotifyType.NO_PROPOSAL_CHOSEN);
        if (suite.KeyExchange != ke.Method)
            throw ChildSaNegotiation.WrongKeyExchange(suite.KeyExchange);
        if (!TryReadSpi(offered.Proposals.First(p => p.Number == answer.Number && p.Protocol == ProtocolId.IKE), out ulong peerSpi))
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the proposal's SPI is not one of IKE", NotifyType.INVALID_SYNTAX);

        KeyPair keyPair = (await sa.Runtime.Ask<KeyPairGenerated>(session, id => new GenerateKeyPair(id, suite.KeyExchange), PcpuIpsecError.CryptoFailure)).KeyPair;
        try
        {
            using Secret shared = (await sa.Runtime.Ask<SharedSecretDerived>(session, id => new DeriveSharedSecret(id, keyPair, ke.Data), PcpuIpsecError.CryptoFailure)).Secret;
            // Ours may have been answered while we computed; the peer, which answered it, takes this for settled.
            if (sa.State != IkeSaState.Established)
                throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, $"the IKE SA is {sa.State}", NotifyType.TEMPORARY_FAILURE);
            byte[] nr = sa.Runtime.RandomBytes(IkeSaInit.NonceLength);
            ulong spi = sa.Engine.NewSpi();
            IkeSa theirs = MakeSuccessor(sa, weInitiated: false, spi, peerSpi, suite, shared, new ExchangeNonces(ni.Data, nr));
            sa.PeerSuccessor = theirs;
            byte[] spiBytes = new byte[8];
            BinaryPrimitives.WriteUInt64BigEndian(spiBytes, spi);
            return new Answer(
                [new SaPayload([answer with { Spi = spiBytes }]), new NoncePayload(nr), new KePayload(suite.KeyExchange, keyPair.PublicValue.ToArray())],
                () => PeerRekeyed(session, sa, theirs));
        }
        finally
        {
            keyPair.Dispose();
        }
    }

    // Where ours was offered as well, its answer, or the peer's Delete of the old IKE SA, decides.
    private static void PeerRekeyed(IkeSession session, IkeSa old, IkeSa theirs)
    {
        if (!old.RekeyOffered)
            TakeOver(session, old, theirs);
    }

    /// <summary>The new IKE SA carries the session from now on.</summary>
    public static void TakeOver(IkeSession session, IkeSa old, IkeSa successor)
    {
        if (session.Current != old || old.State != IkeSaState.Established || successor.State != IkeSaState.Established)
            return;
        session.Current = successor;
        old.BecomeRekeyed();
        if (!successor.IsInitiator)
            successor.AwaitPeer();
        old.Requests.MoveWaitingTo(successor.Requests);
        old.Runtime.Notice(new IkeSaRekeyed(old.Connection.Name, successor.SpiI, successor.SpiR));
    }

    private static IkeSa MakeSuccessor(IkeSa old, bool weInitiated, ulong ourSpi, ulong peerSpi, ChosenSuite suite, Secret shared, ExchangeNonces nonces)
    {
        (ulong spiI, ulong spiR) = weInitiated ? (ourSpi, peerSpi) : (peerSpi, ourSpi);
        IkeSa successor = new(old.Engine, old.Connection, weInitiated, spiI, spiR, old.Local, old.Remote, old.Session)
        {
            PeerBehindNat = old.PeerBehindNat,
            BehindNat = old.BehindNat,
            Encapsulate = old.Encapsulate,
            RekeyNonces = nonces,
        };
        successor.UseKeys(suite, IkeSaKeys.DeriveRekeyed(suite, old.Prf, old.Keys!.SkD, shared.Span, nonces.Ni, nonces.Nr, spiI, spiR));
        old.Engine.Register(successor);
        successor.Establish();
        return successor;
    }

    // §3.3.1: the SPI of an IKE proposal in a rekeying has 8 bytes.
    private static bool TryReadSpi(Proposal proposal, out ulong spi)
        => BinaryPrimitives.TryReadUInt64BigEndian(proposal.Spi, out spi) && proposal.Spi.Length == 8 && spi != 0;
}
