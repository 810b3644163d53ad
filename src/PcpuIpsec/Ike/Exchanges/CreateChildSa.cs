using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Resources;

namespace PcpuIpsec.Ike.Exchanges;

/// <summary>
/// CREATE_CHILD_SA for a new Child SA (RFC 7296 §1.3.1) and for one that rekeys another (§1.3.3, §2.8):
/// <code>
/// HDR, SK {[N(REKEY_SA)], SA, Ni, [KEi], TSi, TSr, [N(USE_TRANSPORT_MODE)], [N(SA_RESOURCE_INFO)]}  -->
///                          &lt;--  HDR, SK {SA, Nr, [KEr], TSi, TSr, [N(USE_TRANSPORT_MODE)], [N(SA_RESOURCE_INFO)]}
/// </code>
/// </summary>
internal static class CreateChildSa
{
    // A peer that rekeys without deleting what it replaced is slowed down.
    private const int MaxReplacedAtATime = 4;

    private static readonly TimeSpan _retryDelay = TimeSpan.FromSeconds(1);

    // A replaced SA that its maker does not delete goes by our own Delete after this.
    private static readonly TimeSpan _overdueDelete = TimeSpan.FromSeconds(10);

    /// <summary>Creates one more Child SA: for a CPU, or the fallback where none is given.</summary>
    public static async Step<bool> Create(IkeSession session, int? cpu, TrafficSelector? triggerLocal, TrafficSelector? triggerRemote)
    {
        IkeSa first = session.Current;
        TimeSpan began = first.Runtime.Now;
        session.BeginCreation();
        try
        {
            byte[]? resource = !session.PerResource ? null : cpu is null ? [] : first.Engine.ResourceIdentifier(first.Connection, cpu.Value);
            ChildSaTerms? model = session.Model?.Terms;
            ChildSa child = (await Negotiate(session, cpu, isFallback: cpu is null, rekeys: null, model, resource, triggerLocal, triggerRemote))!;
            if (child.State != ChildSaState.Live)
                throw new ExchangeFailure(PcpuIpsecError.Aborted, "the peer deleted it at once");
            ChildSaInstallation.Announce(session.Current, child);
            Done(session, Handshake.ChildSaSetup, began);
            return true;
        }
        catch (ExchangeFailure failure)
        {
            if (!session.Closed)
                first.Runtime.Notice(new ChildSaFailed(first.Connection.Name, cpu, failure.Error, failure.Message, failure.Notify));
            return false;
        }
        finally
        {
            session.EndCreation();
        }
    }

    /// <summary>Rekeys a Child SA, bound to another CPU where one is given; the resource stays what it was (RFC 9611 §3).</summary>
    public static async Step<bool> Rekey(IkeSession session, ChildSa old, int? newCpu)
    {
        if (session.Closed || old.State != ChildSaState.Live || old.RekeyingByUs || old.RekeyingByPeer)
            return false;
        old.RekeyingByUs = true;
        TimeSpan began = session.Current.Runtime.Now;
        session.BeginCreation();
        try
        {
            ChildSa? child = await Negotiate(session, newCpu ?? old.Cpu, old.IsFallback, old, old.Terms, resource: null, null, null, surplus: old.IsSurplus && newCpu is null);
            old.RekeyingByUs = false;
            if (child is null)
            {
                YieldToPeer(session, old);
            }
            else if (old.PeerSuccessor is { } theirs)
            {
                old.OurSuccessor = child;
                await SettleCollision(session, old, child, theirs);
            }
            else
            {
                old.OurSuccessor = child;
                ChildSaInstallation.Announce(session.Current, child);
                Done(session, Handshake.ChildSaRekey, began);
                // Where the peer's rekeying is being answered at this moment, that settles the collision when it is done.
                if (!old.RekeyingByPeer)
                {
                    old.State = ChildSaState.Rekeyed;
                    await Informational.DeleteChild(session, old, "rekeyed");
                }
            }
            return true;
        }
        catch (ExchangeFailure failure)
        {
            old.RekeyingByUs = false;
            RekeyFailed(session, old, newCpu, failure);
            return false;
        }
        finally
        {
            session.EndCreation();
        }
    }

    private static void Done(IkeSession session, Handshake handshake, TimeSpan began)
    {
        IkeSa sa = session.Current;
        sa.Runtime.Notice(new HandshakeDone(sa.Connection.Name, handshake, sa.Runtime.Now - began));
    }

    private static void RekeyFailed(IkeSession session, ChildSa old, int? newCpu, ExchangeFailure failure)
    {
        if (session.Closed || old.State != ChildSaState.Live)
            return;
        IkeSa sa = session.Current;
        if (old.PeerSuccessor is not null)
        {
            YieldToPeer(session, old);
            return;
        }
        if (failure.Notify == NotifyType.CHILD_SA_NOT_FOUND)
        {
            // §2.25: the peer has it no more, so we have not either.
            ChildSaInstallation.Remove(sa, old, byPeer: true, "the peer does not know it any more", sa.Connection.InboundGrace);
            return;
        }
        sa.Runtime.Notice(new ChildSaRekeyFailed(sa.Connection.Name, old.ToInfo(), newCpu, failure.Error, failure.Message, failure.Notify));
        TimeSpan delay = failure.Notify == NotifyType.TEMPORARY_FAILURE ? _retryDelay : _retryDelay * 30;
        old.RekeyTimer?.Cancel();
        old.RekeyTimer = sa.Runtime.After(delay + sa.Runtime.Jitter(delay, 1), () => IkeRuntime.Run(Rekey(session, old, newCpu)));
    }

    /// <summary>
    /// Both ends rekeyed the same Child SA (§2.8.1): of the two that came of it, the one whose exchange had the lowest of
    /// the four nonces is deleted by whoever made it, and the old one by the other.
    /// </summary>
    private static async Step<bool> SettleCollision(IkeSession session, ChildSa old, ChildSa ours, ChildSa theirs)
    {
        IkeSa sa = session.Current;
        if (ours.Nonces!.LosesAgainst(theirs.Nonces!))
        {
            await ChildSaInstallation.InstallOutbound(sa, theirs);
            Replaced(session, old);
            ours.State = ChildSaState.Rekeyed;
            await Informational.DeleteChild(session, ours, "lost against the peer's rekeying at the same time");
            return true;
        }
        await ChildSaInstallation.InstallOutbound(sa, ours);
        ChildSaInstallation.Announce(sa, ours);
        if (theirs.State == ChildSaState.Live)
        {
            ChildSaInstallation.RemoveOutbound(sa, theirs);
            Replaced(session, theirs);
        }
        old.State = old.State == ChildSaState.Live ? ChildSaState.Rekeyed : old.State;
        await Informational.DeleteChild(session, old, "rekeyed");
        return true;
    }

    // Ours came to nothing; the peer's took the place.
    private static void YieldToPeer(IkeSession session, ChildSa old)
    {
        if (old.PeerSuccessor is not null)
            Replaced(session, old);
    }

    // Another has its place; its maker's peer deletes it, and where not, we do.
    private static void Replaced(IkeSession session, ChildSa child)
    {
        if (child.State != ChildSaState.Live)
            return;
        child.State = ChildSaState.Rekeyed;
        child.RekeyTimer?.Cancel();
        child.OutboundTimer?.Cancel();
        ChildSaInstallation.ReportIfGone(session.Current, child, byPeer: true, "its successor is gone already");
        session.Current.Runtime.After(_overdueDelete, () => IkeRuntime.Run(Informational.DeleteChild(session, child, "replaced, and not deleted by the peer")));
    }

    /// <summary>One exchange as initiator, with a second try where the peer wants another key exchange. Null where the SA to rekey went away meanwhile.</summary>
    private static async Step<ChildSa?> Negotiate(IkeSession session, int? cpu, bool isFallback, ChildSa? rekeys, ChildSaTerms? model, byte[]? resource, TrafficSelector? triggerLocal, TrafficSelector? triggerRemote, bool surplus = false)
    {
        IkeSa sa = session.Current;
        IkeRuntime runtime = sa.Runtime;
        IkeConnection connection = sa.Connection;
        IReadOnlyList<CipherSuite> suites = model is null ? connection.EspSuites : [model.Suite.ToOffer(connection.EspSuites)];
        uint spi = await ChildSaNegotiation.ReserveSpi(sa, cpu);
        ChildSaOffer offer = new()
        {
            InboundSpi = spi,
            Proposals = ChildSaNegotiation.Offer(suites, ProtocolId.ESP, ChildSaNegotiation.SpiBytes(spi), includeKeyExchange: true),
            LocalSelectors = model?.LocalSelectors ?? connection.LocalSelectors,
            RemoteSelectors = model?.RemoteSelectors ?? connection.RemoteSelectors,
            Mode = connection.Mode,
            Cpu = cpu,
            IsFallback = isFallback,
            TriggerLocal = triggerLocal,
            TriggerRemote = triggerRemote,
        };
        KeyExchangeMethod method = suites.SelectMany(s => s.KeyExchangeMethods).FirstOrDefault(KeyExchangeMethod.NONE);
        KeyPair? keyPair = null;
        bool answered = false;
        bool installed = false;
        try
        {
            for (bool second = false; ; second = true)
            {
                keyPair?.Dispose();
                keyPair = null;
                if (method != KeyExchangeMethod.NONE)
                    keyPair = (await runtime.Ask<KeyPairGenerated>(session, id => new GenerateKeyPair(id, method), PcpuIpsecError.CryptoFailure)).KeyPair;
                byte[] nonce = runtime.RandomBytes(IkeSaInit.NonceLength);
                IkeReply? reply = await session.Current.Requests.Send(ExchangeType.CREATE_CHILD_SA, _ => Build(offer, rekeys, nonce, keyPair, resource));
                if (reply is null)
                    return null;
                if (!second && reply.Payloads.Notify(NotifyType.INVALID_KE_PAYLOAD) is { } invalidKe
                    && ChildSaNegotiation.ReadWantedKeyExchange(invalidKe.Data) is { } wanted && suites.Any(s => s.KeyExchangeMethods.Contains(wanted)))
                {
                    method = wanted;
                    continue;
                }
                ChildSaNegotiation.ThrowOnError(reply.Payloads);
                answered = true;
                ChildSaTerms terms = ChildSaNegotiation.ReadResponse(reply.Payloads, offer);
                if (session.DeletedAhead.Remove(terms.OutboundSpi))
                    throw new ExchangeFailure(PcpuIpsecError.Aborted, "the peer deleted it before its response came");
                if (reply.Payloads.Find<NoncePayload>() is not { } peerNonce)
                    throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the response lacks Nr");
                using Secret? shared = await Agree(reply.Carrier, terms.Suite, keyPair, reply.Payloads.Find<KePayload>());
                ChildSa child = await ChildSaInstallation.Install(reply.Carrier, terms, nonce, peerNonce.Data, shared, weInitiated: true, rekeys, surplus);
                installed = true;
                if (model is not null && !terms.HasPropertiesOf(model))
                {
                    child.State = ChildSaState.Rekeyed;
                    IkeRuntime.Run(Informational.DeleteChild(session, child, "its properties are not those of its group"));
                    throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the peer agreed to other selectors, suite or mode than those of the group (RFC 9611 §3)");
                }
                return child;
            }
        }
        finally
        {
            keyPair?.Dispose();
            if (!installed)
            {
                ChildSaNegotiation.ReleaseSpi(sa, spi);
                // The peer has made it and would send into the void (§1.3.1).
                if (answered && !session.Closed)
                    _ = session.Current.Requests.Send(ExchangeType.INFORMATIONAL, _ => [new DeletePayload(ProtocolId.ESP, [spi])]);
            }
        }
    }

    private static List<Payload>? Build(ChildSaOffer offer, ChildSa? rekeys, byte[] nonce, KeyPair? keyPair, byte[]? resource)
    {
        if (rekeys is not null && (rekeys.State != ChildSaState.Live || rekeys.PeerSuccessor is not null))
            return null;
        List<Payload> payloads = [];
        if (rekeys is not null)
            payloads.Add(new NotifyPayload(NotifyType.REKEY_SA, ProtocolId.ESP, ChildSaNegotiation.SpiBytes(rekeys.InboundSpi), []));
        payloads.AddRange([new SaPayload(offer.Proposals), new NoncePayload(nonce)]);
        if (keyPair is not null)
            payloads.Add(new KePayload(keyPair.Method, keyPair.PublicValue.ToArray()));
        ChildSaNegotiation.AddOffer(payloads, offer, resource);
        return payloads;
    }

    private static async Step<Secret?> Agree(IkeSa sa, ChosenSuite suite, KeyPair? keyPair, KePayload? peer)
    {
        if (suite.KeyExchange == KeyExchangeMethod.NONE)
            return null;
        if (keyPair is null || peer is null || keyPair.Method != suite.KeyExchange || peer.Method != suite.KeyExchange)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, $"{suite.KeyExchange} was chosen but the KE payload is missing or of another method", NotifyType.INVALID_SYNTAX);
        if (peer.Data.Length != KeyExchanges.PublicValueLength(suite.KeyExchange))
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, $"a public value of {suite.KeyExchange} has {KeyExchanges.PublicValueLength(suite.KeyExchange)} bytes, not {peer.Data.Length}", NotifyType.INVALID_SYNTAX);
        return (await sa.Runtime.Ask<SharedSecretDerived>(sa.Session, id => new DeriveSharedSecret(id, keyPair, peer.Data), PcpuIpsecError.CryptoFailure)).Secret;
    }

    /// <summary>The responder's side, of the rekeying of the IKE SA too.</summary>
    public static Step<Answer> Respond(IkeSa sa, IReadOnlyList<Payload> payloads)
    {
        if (payloads.Find<SaPayload>() is { } offered && offered.Proposals.Any(p => p.Protocol == ProtocolId.IKE))
            return RekeyIkeSa.Respond(sa, payloads, offered);
        // §2.25.2: while the IKE SA is being rekeyed no Child SA is made or rekeyed on it.
        if (sa.Session.RekeyingByUs)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the IKE SA is being rekeyed", NotifyType.TEMPORARY_FAILURE);
        return payloads.Notify(NotifyType.REKEY_SA) is { } rekey ? RespondToRekey(sa, payloads, rekey) : RespondToCreate(sa, payloads);
    }

    private static async Step<Answer> RespondToCreate(IkeSa sa, IReadOnlyList<Payload> payloads)
    {
        IkeSession session = sa.Session;
        NotifyPayload? resourceInfo = sa.Connection.PerCpu ? payloads.Notify(NotifyType.SA_RESOURCE_INFO) : null;
        // An empty SA_RESOURCE_INFO where there is no fallback asks for that; else it is a resource that the peer does not name.
        bool isFallback = !session.Live.Any(c => c.IsFallback) && (resourceInfo is null || resourceInfo.Data.Length == 0);
        ChildSaChoice choice = ChildSaNegotiation.Choose(sa, payloads, ignoreKeyExchange: false);
        if (!isFallback && session.Model?.Terms is { } model && !ChildSaNegotiation.ToTerms(choice, 0, null, false).HasPropertiesOf(model))
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "a Child SA of a group must have the properties of the others (RFC 9611 §3)", NotifyType.TS_UNACCEPTABLE);
        Placement placement = default;
        bool placed = !isFallback;
        if (placed)
        {
            placement = sa.Engine.Place(sa.Connection, session);
            if (placement.Refused)
                throw new ExchangeFailure(PcpuIpsecError.TrafficSelectorsUnacceptable, "the limit of Child SAs is reached", placement.Temporary ? NotifyType.TEMPORARY_FAILURE : resourceInfo is not null ? NotifyType.TS_MAX_QUEUE : NotifyType.NO_ADDITIONAL_SAS);
        }
        try
        {
            byte[]? identifier = resourceInfo is null ? null : isFallback || placement.Cpu is null ? [] : sa.Engine.ResourceIdentifier(sa.Connection, placement.Cpu.Value);
            (List<Payload> response, ChildSa child) = await Accept(sa, payloads, choice, placement.Cpu, isFallback, null, placed && placement.Cpu is null && sa.Connection.PerCpu, identifier);
            return new Answer(response, () => ChildSaInstallation.Announce(sa, child));
        }
        catch (ExchangeFailure)
        {
            if (placed)
                sa.Engine.PlacementFailed(sa.Connection, placement);
            throw;
        }
    }

    private static async Step<Answer> RespondToRekey(IkeSa sa, IReadOnlyList<Payload> payloads, NotifyPayload rekey)
    {
        IkeSession session = sa.Session;
        uint spi = rekey.Spi.Length == 4 ? (uint)((rekey.Spi[0] << 24) | (rekey.Spi[1] << 16) | (rekey.Spi[2] << 8) | rekey.Spi[3]) : 0;
        if (rekey.Protocol != ProtocolId.ESP || session.FindByOutbound(spi) is not { } old)
        {
            // It may be one whose response has not reached us yet: then it is not gone, only not there yet.
            NotifyType notify = session.CreationsUnderWay > 0 ? NotifyType.TEMPORARY_FAILURE : NotifyType.CHILD_SA_NOT_FOUND;
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, $"Child SA {spi:x8} is not known", notify);
        }
        // §2.25.1: one that we are closing, or that was rekeyed already, is not rekeyed any more.
        if (old.State != ChildSaState.Live || old.RekeyingByPeer || old.PeerSuccessor is not null)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, $"Child SA {spi:x8} is being closed or was rekeyed", NotifyType.TEMPORARY_FAILURE);
        if (session.Children.Count(c => c.Number == old.Number && c.State is ChildSaState.Rekeyed or ChildSaState.Closing) >= MaxReplacedAtATime)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "those that it replaced are not deleted yet", NotifyType.TEMPORARY_FAILURE);
        ChildSaChoice choice = ChildSaNegotiation.Choose(sa, payloads, ignoreKeyExchange: false);
        if (!TrafficSelector.SameAs(choice.LocalSelectors, old.Terms.LocalSelectors) || !TrafficSelector.SameAs(choice.RemoteSelectors, old.Terms.RemoteSelectors))
            throw new ExchangeFailure(PcpuIpsecError.TrafficSelectorsUnacceptable, "a rekeyed Child SA keeps its selectors (RFC 7296 §2.8)", NotifyType.TS_UNACCEPTABLE);
        old.RekeyingByPeer = true;
        try
        {
            (List<Payload> response, ChildSa child) = await Accept(sa, payloads, choice, old.Cpu, old.IsFallback, old, old.IsSurplus, null);
            old.PeerSuccessor = child;
            return new Answer(response, () => PeerRekeyed(sa, old, child));
        }
        finally
        {
            old.RekeyingByPeer = false;
        }
    }

    // The peer's rekeying is answered. Where ours is under way, the nonces decide once that is answered too.
    private static void PeerRekeyed(IkeSa sa, ChildSa old, ChildSa child)
    {
        ChildSaInstallation.Announce(sa, child);
        if (old.OurSuccessor is { } ours)
            IkeRuntime.Run(SettleCollision(sa.Session, old, ours, child));
        else if (!old.RekeyingByUs)
            Replaced(sa.Session, old);
    }

    private static async Step<(List<Payload> Response, ChildSa Child)> Accept(IkeSa sa, IReadOnlyList<Payload> payloads, ChildSaChoice choice, int? cpu, bool isFallback, ChildSa? rekeys, bool skipOutbound, byte[]? identifier)
    {
        if (payloads.Find<NoncePayload>() is not { } ni)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the request lacks Ni", NotifyType.INVALID_SYNTAX);
        uint spi = await ChildSaNegotiation.ReserveSpi(sa, cpu);
        KeyPair? keyPair = null;
        bool installed = false;
        try
        {
            if (choice.Suite.KeyExchange != KeyExchangeMethod.NONE)
                keyPair = (await sa.Runtime.Ask<KeyPairGenerated>(sa.Session, id => new GenerateKeyPair(id, choice.Suite.KeyExchange), PcpuIpsecError.CryptoFailure)).KeyPair;
            using Secret? shared = await Agree(sa, choice.Suite, keyPair, choice.KeyExchange);
            byte[] nr = sa.Runtime.RandomBytes(IkeSaInit.NonceLength);
            ChildSaTerms terms = ChildSaNegotiation.ToTerms(choice, spi, cpu, isFallback);
            ChildSa child = await ChildSaInstallation.Install(sa, terms, ni.Data, nr, shared, weInitiated: false, rekeys, skipOutbound);
            installed = true;
            return (ChildSaNegotiation.BuildResponse(choice, spi, nr, keyPair, identifier), child);
        }
        finally
        {
            keyPair?.Dispose();
            if (!installed)
                ChildSaNegotiation.ReleaseSpi(sa, spi);
        }
    }
}
