using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike.Exchanges;

/// <summary>INFORMATIONAL (RFC 7296 §1.4): deletion (§1.4.1), liveness (an empty one), and notifies on their own.</summary>
internal static class Informational
{
    private const int MaxDeletedAhead = 1024;

    /// <summary>Asks the peer whether it lives; silence ends the IKE SA.</summary>
    public static async Step<bool> CheckLiveness(IkeSa sa)
    {
        try
        {
            await sa.Requests.Send(ExchangeType.INFORMATIONAL, _ => []);
            sa.Runtime.Notice(new PeerAnswered(sa.Connection.Name));
            return true;
        }
        catch (ExchangeFailure)
        {
            return false;
        }
    }

    /// <summary>Deletes a Child SA with the peer: ours goes out at once, what the peer still sends is taken for a while.</summary>
    public static async Step<bool> DeleteChild(IkeSession session, ChildSa child, string reason)
    {
        if (child.State is ChildSaState.Closing or ChildSaState.Gone)
            return false;
        bool replaced = child.State == ChildSaState.Rekeyed;
        child.State = ChildSaState.Closing;
        child.RekeyTimer?.Cancel();
        child.OutboundTimer?.Cancel();
        ChildSaInstallation.RemoveOutbound(session.Current, child);
        for (IkeSa? via = session.Current; via is not null;)
        {
            try
            {
                await via.Requests.Send(ExchangeType.INFORMATIONAL, _ => child.State == ChildSaState.Gone ? null : [new DeletePayload(ProtocolId.ESP, [child.InboundSpi])]);
                via = null;
            }
            catch (ExchangeFailure)
            {
                // The IKE SA is gone: the Child SA with it, or the peer deleted what it had rekeyed before this reached it, and
                // knows nothing of the deletion.
                via = session.Closed || session.Current == via ? null : session.Current;
            }
        }
        if (replaced && child.State == ChildSaState.Closing)
            child.State = ChildSaState.Rekeyed;
        ChildSaInstallation.Remove(session.Current, child, byPeer: false, reason, session.Closed ? TimeSpan.Zero : session.Current.Connection.InboundGrace);
        return true;
    }

    /// <summary>The responder's side.</summary>
    public static async Step<Answer> Respond(IkeSa sa, IReadOnlyList<Payload> payloads)
    {
        if (payloads.OfType<DeletePayload>().Any(d => d.Protocol == ProtocolId.IKE))
        {
            // The peer's rekeying won, or ours never reached it (§2.25.2).
            if (sa.PeerSuccessor is { } successor)
            {
                RekeyIkeSa.TakeOver(sa.Session, sa, successor);
                successor.PeerKnows();
            }
            return new Answer([], () => sa.Terminate(null, "the peer deleted the IKE SA"));
        }
        if (payloads.Has(NotifyType.AUTHENTICATION_FAILED))
            return new Answer([], () => sa.Terminate(PcpuIpsecError.AuthenticationFailed, "the peer could not authenticate us"));
        // §2.21.3: after this the peer has given the IKE SA up.
        if (payloads.Has(NotifyType.INVALID_SYNTAX))
            return new Answer([], () => sa.Terminate(PcpuIpsecError.ProtocolViolation, "the peer found a message of ours malformed"));

        List<uint> deleted = [];
        foreach (uint spi in payloads.OfType<DeletePayload>().Where(d => d.Protocol == ProtocolId.ESP).SelectMany(d => d.Spis))
        {
            if (sa.Session.FindByOutbound(spi) is not { } child)
            {
                if (sa.Session.CreationsUnderWay > 0 && sa.Session.DeletedAhead.Count < MaxDeletedAhead)
                    sa.Session.DeletedAhead.Add(spi);
                continue;
            }
            // §1.4.1: where both ends delete at once, the response names no SPI: each Delete stands for its own half.
            if (child.State != ChildSaState.Closing)
                deleted.Add(child.InboundSpi);
            // What takes over goes in before this goes out.
            foreach (ChildSa successor in sa.Session.Live.Where(c => c.Replaces == child && c.OutboundWaits).ToArray())
                await ChildSaInstallation.InstallOutbound(sa, successor);
            ChildSaInstallation.Remove(sa, child, byPeer: true, "the peer deleted it", sa.Connection.InboundGrace);
        }
        return new Answer(deleted.Count == 0 ? [] : [new DeletePayload(ProtocolId.ESP, deleted)]);
    }
}
