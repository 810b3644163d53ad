using PcpuIpsec.Ike.Auth;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike.Exchanges;

/// <summary>
/// IKE_AUTH (RFC 7296 §1.2), which also makes the first Child SA: the fallback, bound to no resource (RFC 9611 §3).
/// <code>
/// HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr, [N(USE_TRANSPORT_MODE)], [N(SA_RESOURCE_INFO)]}  -->
///         &lt;--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr, [N(USE_TRANSPORT_MODE)], [N(SA_RESOURCE_INFO)]}
/// </code>
/// </summary>
internal static class IkeAuth
{
    /// <summary>The initiator's side; afterwards the IKE SA is established and the fallback installed.</summary>
    public static async Step<bool> Initiate(IkeSa sa, bool initialContact)
    {
        IkeConnection connection = sa.Connection;
        uint spi = await ChildSaNegotiation.ReserveSpi(sa, cpu: null);
        ChildSaOffer offer = new()
        {
            InboundSpi = spi,
            Proposals = ChildSaNegotiation.Offer(connection.EspSuites, ProtocolId.ESP, ChildSaNegotiation.SpiBytes(spi), includeKeyExchange: false),
            LocalSelectors = connection.LocalSelectors,
            RemoteSelectors = connection.RemoteSelectors,
            Mode = connection.Mode,
            IsFallback = true,
        };
        bool installed = false;
        try
        {
            byte[] octets = SignedOctets.Compute(sa.Prf, sa.InitRequest, sa.NonceR, sa.Keys!.SkPi, connection.LocalId.ToBody());
            AuthSigned auth = await sa.Runtime.Ask<AuthSigned>(sa.Session, id => new SignAuth(id, connection.Name, sa.Prf, octets), PcpuIpsecError.AuthenticationFailed);
            List<Payload> payloads = [new IdPayload(PayloadType.IDi, connection.LocalId), new IdPayload(PayloadType.IDr, connection.RemoteId), new AuthPayload(auth.Method, auth.Data)];
            if (initialContact)
                payloads.Add(new NotifyPayload(NotifyType.INITIAL_CONTACT));
            payloads.Add(new SaPayload(offer.Proposals));
            ChildSaNegotiation.AddOffer(payloads, offer, connection.PerCpu ? [] : null);
            IkeReply reply = (await sa.Requests.Send(ExchangeType.IKE_AUTH, _ => payloads))!;

            await Authenticate(sa, reply.Payloads);
            sa.Session.PerResource = connection.PerCpu && reply.Payloads.Has(NotifyType.SA_RESOURCE_INFO);
            sa.Engine.Established(sa);
            // A Child SA that is refused does not touch the IKE SA (§1.2), but one without the other is of no use to us.
            try
            {
                ChildSaNegotiation.ThrowOnError(reply.Payloads);
                ChildSa child = await ChildSaInstallation.Install(sa, ChildSaNegotiation.ReadResponse(reply.Payloads, offer), sa.NonceI, sa.NonceR, null, weInitiated: true);
                installed = true;
                ChildSaInstallation.Announce(sa, child);
            }
            catch (ExchangeFailure failure) when (failure.Error != PcpuIpsecError.Aborted)
            {
                sa.Runtime.Notice(new ChildSaFailed(connection.Name, null, failure.Error, failure.Message, failure.Notify));
                await sa.Close(failure.Error, $"its first Child SA failed: {failure.Message}");
            }
            return installed;
        }
        finally
        {
            if (!installed)
                ChildSaNegotiation.ReleaseSpi(sa, spi);
        }
    }

    private static async Step<bool> Authenticate(IkeSa sa, IReadOnlyList<Payload> payloads)
    {
        IkeConnection connection = sa.Connection;
        if (payloads.OfType<IdPayload>().FirstOrDefault(p => p.Type == PayloadType.IDr) is not { } idr || payloads.Find<AuthPayload>() is not { } auth)
        {
            ChildSaNegotiation.ThrowOnError(payloads);
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the response to IKE_AUTH lacks IDr or AUTH");
        }
        byte[] octets = SignedOctets.Compute(sa.Prf, sa.InitResponse, sa.NonceI, sa.Keys!.SkPr, idr.Identity.ToBody());
        bool valid = idr.Identity == connection.RemoteId
            && (await sa.Runtime.Ask<AuthVerified>(sa.Session, id => new VerifyAuth(id, connection.Name, idr.Identity, auth.Method, auth.Data, sa.Prf, octets), PcpuIpsecError.AuthenticationFailed)).Valid;
        if (valid)
            return true;
        string reason = idr.Identity == connection.RemoteId
            ? $"the peer's AUTH does not fit the pre-shared key for {connection.RemoteId}"
            : $"the peer calls itself {idr.Identity}; expected is {connection.RemoteId}";
        // §2.21.2: the responder thinks that it is authenticated, so it is told.
        _ = sa.Requests.Send(ExchangeType.INFORMATIONAL, _ => [new NotifyPayload(NotifyType.AUTHENTICATION_FAILED)]);
        throw new ExchangeFailure(PcpuIpsecError.AuthenticationFailed, reason);
    }

    /// <summary>The responder's side.</summary>
    public static async Step<Answer> Respond(IkeSa sa, IReadOnlyList<Payload> payloads)
    {
        IdPayload? idi = payloads.OfType<IdPayload>().FirstOrDefault(p => p.Type == PayloadType.IDi);
        IdPayload? wanted = payloads.OfType<IdPayload>().FirstOrDefault(p => p.Type == PayloadType.IDr);
        if (idi is null || payloads.Find<AuthPayload>() is not { } auth)
            return Reject(sa, PcpuIpsecError.ProtocolViolation, "the request lacks IDi or AUTH; other methods than a pre-shared key are not configured");
        if (!sa.Engine.TryMatch(sa, idi.Identity, wanted?.Identity, out IkeConnection? connection))
            return Reject(sa, PcpuIpsecError.AuthenticationFailed, $"no connection is for {idi.Identity} (asking for {wanted?.Identity.ToString() ?? "anyone"})");
        sa.Connection = connection;
        byte[] peersOctets = SignedOctets.Compute(sa.Prf, sa.InitRequest, sa.NonceR, sa.Keys!.SkPi, idi.Identity.ToBody());
        byte[] ourOctets = SignedOctets.Compute(sa.Prf, sa.InitResponse, sa.NonceI, sa.Keys!.SkPr, connection.LocalId.ToBody());
        AuthSigned ours;
        try
        {
            AuthVerified verified = await sa.Runtime.Ask<AuthVerified>(sa.Session, id => new VerifyAuth(id, connection.Name, idi.Identity, auth.Method, auth.Data, sa.Prf, peersOctets), PcpuIpsecError.AuthenticationFailed);
            if (!verified.Valid)
                return Reject(sa, PcpuIpsecError.AuthenticationFailed, $"the peer's AUTH does not fit the pre-shared key for {idi.Identity}");
            ours = await sa.Runtime.Ask<AuthSigned>(sa.Session, id => new SignAuth(id, connection.Name, sa.Prf, ourOctets), PcpuIpsecError.AuthenticationFailed);
        }
        catch (ExchangeFailure failure) when (failure.Error == PcpuIpsecError.AuthenticationFailed)
        {
            return Reject(sa, failure.Error, failure.Message);
        }

        if (!ReferenceEquals(sa.Engine.Find(connection.Name)?.Connection, connection))
            return Reject(sa, PcpuIpsecError.Aborted, "the connection was removed");
        sa.Session.PerResource = connection.PerCpu && payloads.Has(NotifyType.SA_RESOURCE_INFO);
        sa.Engine.Established(sa);
        if (payloads.Has(NotifyType.INITIAL_CONTACT))
            sa.Engine.InitialContact(sa);
        List<Payload> response = [new IdPayload(PayloadType.IDr, connection.LocalId), new AuthPayload(ours.Method, ours.Data)];
        uint? spi = null;
        try
        {
            ChildSaChoice choice = ChildSaNegotiation.Choose(sa, payloads, ignoreKeyExchange: true);
            spi = await ChildSaNegotiation.ReserveSpi(sa, cpu: null);
            ChildSaTerms terms = ChildSaNegotiation.ToTerms(choice, spi.Value, cpu: null, isFallback: true);
            ChildSa child = await ChildSaInstallation.Install(sa, terms, sa.NonceI, sa.NonceR, null, weInitiated: false);
            response.AddRange(ChildSaNegotiation.BuildResponse(choice, spi.Value, null, null, sa.Session.PerResource ? [] : null));
            return new Answer(response, () =>
            {
                sa.Session.Unconfirmed = child;
                ChildSaInstallation.Announce(sa, child);
            });
        }
        catch (ExchangeFailure failure) when (failure.Error != PcpuIpsecError.Aborted)
        {
            if (spi is { } reserved)
                ChildSaNegotiation.ReleaseSpi(sa, reserved);
            sa.Runtime.Notice(new ChildSaFailed(connection.Name, null, failure.Error, failure.Message, failure.Notify));
            response.Add(new NotifyPayload(failure.Notify ?? NotifyType.NO_PROPOSAL_CHOSEN, failure.NotifyData));
            return new Answer(response);
        }
    }

    // §2.21.2: one notify, protected, and the IKE SA is gone.
    private static Answer Reject(IkeSa sa, PcpuIpsecError error, string reason)
        => new([new NotifyPayload(NotifyType.AUTHENTICATION_FAILED)], () => sa.Terminate(error, reason));
}
