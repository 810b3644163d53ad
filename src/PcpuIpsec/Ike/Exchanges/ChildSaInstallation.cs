using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Ike.Exchanges;

/// <summary>How Child SAs come into the data plane and leave it, without a packet lost on the way.</summary>
internal static class ChildSaInstallation
{
    /// <summary>
    /// Derives the keys and installs: inbound first (§1.3.1), outbound at once where nothing else carries the traffic or
    /// the exchange was ours, for then the peer's inbound half is there already. A responder's outbound half waits for the
    /// peer's first packet, for the Delete of the SA it replaces, after IKE_AUTH for the next request, or for a moment: what is
    /// sent earlier may overtake our response.
    /// </summary>
    /// <param name="sa">The IKE SA that carried the exchange.</param>
    /// <param name="terms">What was agreed.</param>
    /// <param name="ni">The nonce of the exchange's initiator.</param>
    /// <param name="nr">The nonce of its responder.</param>
    /// <param name="sharedSecret">Of the exchange's own key exchange, if it had one.</param>
    /// <param name="weInitiated">Whether the exchange was ours.</param>
    /// <param name="replaces">The Child SA that this one is the rekeying of.</param>
    /// <param name="skipOutbound">Keep the outbound half aside (RFC 9611 §3: a surplus one).</param>
    /// <returns>The Child SA, its inbound half installed.</returns>
    public static async Step<ChildSa> Install(IkeSa sa, ChildSaTerms terms, byte[] ni, byte[] nr, Secret? sharedSecret, bool weInitiated, ChildSa? replaces = null, bool skipOutbound = false)
    {
        IkeSession session = sa.Session;
        ChildSa child = new(replaces?.Number ?? session.NextNumber(), terms, weInitiated) { Replaces = replaces, Nonces = new ExchangeNonces(ni, nr), IsSurplus = skipOutbound };
        SaInstallation inbound;
        using (ChildSaKeyMaterial material = ChildSaKeyMaterial.Derive(terms.Suite, sa.Prf, sa.Keys!.SkD, sharedSecret is null ? [] : sharedSecret.Span, ni, nr))
        {
            (inbound, SaInstallation outbound) = terms.ToInstallations(sa, material, weInitiated);
            child.KeepOutbound(outbound);
        }
        try
        {
            await sa.Runtime.Ask<SaInstalled>(session, id => new InstallSa(id, inbound));
        }
        catch (ExchangeFailure)
        {
            child.Retire();
            RemoveInbound(sa, child);
            throw;
        }
        finally
        {
            inbound.DisposeKeys();
        }
        // A session that takes over from one that still carries traffic is not alone either.
        bool alone = !sa.Engine.CarriesTraffic(sa.Connection, child);
        session.Children.Add(child);
        if (child.Encapsulated)
            child.MoveTo(session.Current.Remote);
        if (!skipOutbound && (weInitiated || alone))
        {
            if (!await InstallOutbound(sa, child) && child.State == ChildSaState.Live && !child.OutboundInstalled)
            {
                Remove(sa, child, byPeer: false, "its outbound SA was refused", TimeSpan.Zero);
                throw new ExchangeFailure(PcpuIpsecError.KernelRefused, "the outbound SA could not be installed");
            }
        }
        else if (!skipOutbound)
            child.OutboundTimer = sa.Runtime.After(sa.Connection.OutboundDelay, () => IkeRuntime.Run(InstallOutbound(session.Current, child)));
        if (child.State == ChildSaState.Live && sa.Connection.ChildRekeyTime is { } rekey)
            child.RekeyTimer = sa.Runtime.After(rekey - sa.Runtime.Jitter(rekey, 0.1), () => IkeRuntime.Run(CreateChildSa.Rekey(session, child, null)));
        return child;
    }

    /// <summary>Installs the outbound half, unless it was before or the Child SA is given up.</summary>
    public static async Step<bool> InstallOutbound(IkeSa sa, ChildSa child)
    {
        child.OutboundTimer?.Cancel();
        if (child.State != ChildSaState.Live || child.IsSurplus || child.TakeOutbound() is not { } outbound)
            return false;
        outbound = outbound with { Cpu = child.Cpu, Replaces = child.Replaces is { OutboundInstalled: true } old ? old.OutboundSpi : null };
        // Marked before the answer: whoever removes the child meanwhile must remove this half too.
        child.OutboundInstalled = true;
        try
        {
            await sa.Runtime.Ask<SaInstalled>(sa.Session, id => new InstallSa(id, outbound));
        }
        catch (ExchangeFailure failure) when (failure.Error != PcpuIpsecError.Aborted)
        {
            child.OutboundInstalled = false;
            sa.Runtime.Notice(new ChildSaFailed(sa.Connection.Name, child.Cpu, failure.Error, $"its outbound SA could not be installed: {failure.Message}"));
            return false;
        }
        finally
        {
            outbound.DisposeKeys();
        }
        if (child.State == ChildSaState.Live && child.Announced)
            sa.Runtime.Notice(new ChildSaChanged(sa.Connection.Name, child.ToInfo()));
        if (child.IsFallback)
            sa.Engine.TookOver(sa.Session);
        return true;
    }

    /// <summary>Tells the gateway that a Child SA is there, or that it took over from the one that it replaces.</summary>
    public static void Announce(IkeSa sa, ChildSa child)
    {
        if (child.State != ChildSaState.Live)
            return;
        child.Announced = true;
        sa.Engine.Find(sa.Connection.Name)?.CameUp();
        string connection = sa.Connection.Name;
        sa.Runtime.Notice(sa.Session.Up.Add(child.Number) ? new ChildSaEstablished(connection, child.ToInfo()) : new ChildSaRekeyed(connection, child.ToInfo()));
    }

    /// <summary>Tells the gateway that a Child SA is gone, once nothing lives that has its number.</summary>
    public static void ReportIfGone(IkeSa sa, ChildSa child, bool byPeer, string reason)
    {
        if (!sa.Session.Live.Any(c => c.Number == child.Number) && sa.Session.Up.Remove(child.Number))
            sa.Runtime.Notice(new ChildSaClosed(sa.Connection.Name, child.ToInfo(), byPeer, reason));
    }

    /// <summary>
    /// Takes a Child SA out: its outbound half at once, so that traffic goes another way, its inbound half after a while
    /// for what is under way.
    /// </summary>
    public static void Remove(IkeSa sa, ChildSa child, bool byPeer, string reason, TimeSpan grace)
    {
        IkeSession session = sa.Session;
        if (child.State != ChildSaState.Gone)
        {
            RemoveOutbound(sa, child);
            child.Retire();
            child.State = ChildSaState.Gone;
            ReportIfGone(sa, child, byPeer, reason);
            if (grace > TimeSpan.Zero)
            {
                sa.Runtime.After(grace, () => Remove(sa, child, byPeer, reason, TimeSpan.Zero));
                return;
            }
        }
        if (grace == TimeSpan.Zero && session.Children.Remove(child))
            RemoveInbound(sa, child);
    }

    /// <summary>Takes the outbound half out; its key is never used again.</summary>
    public static void RemoveOutbound(IkeSa sa, ChildSa child)
    {
        if (child.OutboundInstalled)
            sa.Runtime.Emit(new RemoveSa(sa.Connection.Name, SaDirection.Outbound, child.OutboundSpi, child.Remote!.Address));
        child.OutboundInstalled = false;
    }

    /// <summary>Takes the outbound half out and leaves it out.</summary>
    public static void SkipOutbound(IkeSa sa, ChildSa child)
    {
        RemoveOutbound(sa, child);
        (child.IsSurplus, child.Cpu) = (true, null);
        sa.Runtime.Notice(new ChildSaChanged(sa.Connection.Name, child.ToInfo()));
    }

    private static void RemoveInbound(IkeSa sa, ChildSa child)
        => sa.Runtime.Emit(new RemoveSa(sa.Connection.Name, SaDirection.Inbound, child.InboundSpi, sa.Local.Address));
}
