using System.Net;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Exchanges;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Resources;

namespace PcpuIpsec.Ike;

/// <summary>Limits that hold against a hostile network.</summary>
internal sealed record CoreLimits
{
    /// <summary>Half-open IKE SAs from which on initiators must return a cookie first (RFC 7296 §2.6).</summary>
    public int HalfOpenBeforeCookies { get; init; } = 100;

    /// <summary>Half-open IKE SAs at most; beyond, requests are dropped.</summary>
    public int HalfOpenMaximum { get; init; } = 1000;
}

/// <summary>Who decides about resources (RFC 9611).</summary>
internal interface IResourceKeeper
{
    /// <summary>The peer wants one more Child SA.</summary>
    Placement Place(string connection, IkeSession session);

    /// <summary>A place that was given is not used.</summary>
    void PlacementFailed(string connection, Placement placement);

    /// <summary>The opaque content of SA_RESOURCE_INFO.</summary>
    byte[] ResourceIdentifier(string connection, int? cpu);
}

/// <summary>All IKE SAs of one gateway: finds the one that a message is for, makes those that a peer asks for.</summary>
internal sealed class IkeEngine
{
    private static readonly TimeSpan _supersededLifetime = TimeSpan.FromSeconds(15);

    private readonly Dictionary<ulong, IkeSa> _bySpi = [];
    private readonly Dictionary<(ulong SpiI, IPEndPoint Remote), IkeSa> _responding = [];
    private readonly Dictionary<string, ConnectionState> _connections = [];
    private readonly CoreLimits _limits;
    private readonly IResourceKeeper _keeper;
    private readonly IkeCookies _cookies;

    public IkeEngine(IRandomSource random, CoreLimits limits, IResourceKeeper keeper)
    {
        (_limits, _keeper) = (limits, keeper);
        Runtime = new IkeRuntime(random);
        _cookies = new IkeCookies(Runtime);
    }

    public IkeRuntime Runtime { get; }

    public IEnumerable<ConnectionState> Connections => _connections.Values;

    /// <summary>IKE SAs that are known, those that linger included.</summary>
    public int IkeSaCount => _bySpi.Count;

    public ConnectionState? Find(string name) => _connections.GetValueOrDefault(name);

    public void Add(IkeConnection connection)
    {
        if (!_connections.TryAdd(connection.Name, new ConnectionState(connection)))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"Name: a connection '{connection.Name}' exists; names are unique.");
    }

    /// <summary>Initiates, unless the connection is up or coming up.</summary>
    public void Initiate(ConnectionState state)
    {
        state.KeepUp = true;
        state.RetryTimer?.Cancel();
        if (state.Connecting is not null || state.Current is not null)
            return;
        IkeConnection connection = state.Connection;
        IkeSa sa = new(this, connection, isInitiator: true, NewSpi(), 0, new IPEndPoint(connection.LocalAddress, connection.IkePort), new IPEndPoint(connection.RemoteAddress, connection.IkePort));
        Register(sa);
        state.Connecting = sa;
        IkeRuntime.Run(Connect(sa));
    }

    /// <summary>Initiates because a packet waits: not again at once where the last attempt failed.</summary>
    public void InitiateForTraffic(ConnectionState state)
    {
        if (Runtime.Now >= state.TrafficNotBefore)
            Initiate(state);
    }

    /// <summary>Makes an IKE SA with its first Child SA, of which it says that it is the first with the peer where it is.</summary>
    public static async Step<bool> Connect(IkeSa sa)
    {
        try
        {
            await IkeSaInit.Initiate(sa);
            return await IkeAuth.Initiate(sa, initialContact: sa.Engine.Find(sa.Connection.Name)?.Current is null);
        }
        catch (ExchangeFailure failure)
        {
            sa.Terminate(failure.Error, failure.Message);
            return false;
        }
    }

    /// <summary>Closes a connection's IKE SAs, and forgets it where asked to.</summary>
    public void Close(ConnectionState state, bool forget)
    {
        state.KeepUp = false;
        state.RetryTimer?.Cancel();
        if (forget)
            _connections.Remove(state.Connection.Name);
        state.Connecting?.Terminate(PcpuIpsecError.Aborted, "the connection was closed");
        foreach (IkeSa halfOpen in _responding.Values.Where(s => ReferenceEquals(s.Connection, state.Connection)).ToArray())
            halfOpen.Terminate(PcpuIpsecError.Aborted, "the connection was closed");
        foreach (IkeSession session in state.Sessions.ToArray())
            IkeRuntime.Run(session.Current.Close(null, "the connection was closed"));
    }

    public ulong NewSpi()
    {
        ulong spi;
        do
            spi = Runtime.RandomUInt64();
        while (spi == 0 || _bySpi.ContainsKey(spi));
        return spi;
    }

    public void Register(IkeSa sa) => _bySpi[sa.LocalSpi] = sa;

    /// <summary>Takes a datagram; whatever is wrong with it is counted, never thrown.</summary>
    public void Receive(DatagramReceived datagram)
    {
        if (!IkeHeader.TryParse(datagram.Message, out IkeHeader header, out ParseError? error))
        {
            Runtime.Count(error.Answer == NotifyType.INVALID_MAJOR_VERSION ? "ike-major-version" : "ike-malformed");
            return;
        }
        if (header.Exchange == ExchangeType.IKE_SA_INIT && !header.IsResponse)
            ReceiveInit(header, datagram);
        else if (!_bySpi.TryGetValue(header.FromInitiator ? header.ResponderSpi : header.InitiatorSpi, out IkeSa? sa))
            Runtime.Count("ike-unknown-spi");
        else if (header.Exchange == ExchangeType.IKE_SA_INIT)
            ReceiveInitResponse(sa, header, datagram);
        else
            sa.Receive(header, datagram);
    }

    private void ReceiveInitResponse(IkeSa sa, IkeHeader header, DatagramReceived datagram)
    {
        if (header.MessageId != 0 || header.FromInitiator || !sa.IsInitiator || sa.State != IkeSaState.Connecting)
            Runtime.Count("ike-unexpected");
        else if (!IkeMessage.TryParseClear(datagram.Message, out _, out IReadOnlyList<Payload> payloads, out _))
            Runtime.Count("ike-malformed");
        else if (!sa.Requests.Receive(new IkeReply(sa, header, payloads, datagram.Message)))
            Runtime.Count("ike-unasked-response");
    }

    private void ReceiveInit(IkeHeader header, DatagramReceived datagram)
    {
        if (header.MessageId != 0 || !header.FromInitiator || header.InitiatorSpi == 0 || header.ResponderSpi != 0)
        {
            Runtime.Count("ike-malformed");
            return;
        }
        if (_responding.TryGetValue((header.InitiatorSpi, datagram.Remote), out IkeSa? known))
        {
            // §2.1: the same request again gets the same response; another one under the same SPI is not of the same peer.
            Runtime.Count("ike-repeated-request");
            if (known.InitResponse.Length > 0 && known.InitRequest.AsSpan().SequenceEqual(datagram.Message))
                Runtime.Emit(new SendDatagram(datagram.Local, datagram.Remote, known.InitResponse));
            return;
        }
        IkeConnection? connection = _connections.Values.Select(s => s.Connection).FirstOrDefault(c => c.LocalAddress.Equals(datagram.Local.Address) && c.RemoteAddress.Equals(datagram.Remote.Address));
        if (connection is null || _responding.Count >= _limits.HalfOpenMaximum)
        {
            Runtime.Count(connection is null ? "ike-no-connection" : "ike-half-open-limit");
            return;
        }
        if (!IkeMessage.TryParseClear(datagram.Message, out _, out IReadOnlyList<Payload> payloads, out ParseError? error))
        {
            Runtime.Count("ike-malformed");
            if (error.Answer == NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD)
                AnswerInit(header, datagram, new NotifyPayload(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, [(byte)error.Payload]));
            return;
        }
        if (payloads.Find<SaPayload>() is not { } offered || payloads.Find<KePayload>() is not { } ke || payloads.Find<NoncePayload>() is not { } nonce)
        {
            Runtime.Count("ike-malformed");
            return;
        }
        if (_responding.Count >= _limits.HalfOpenBeforeCookies && !_cookies.Accepts(payloads, header.InitiatorSpi, datagram.Remote, nonce.Data))
        {
            Runtime.Count("ike-cookies-sent");
            AnswerInit(header, datagram, new NotifyPayload(NotifyType.COOKIE, _cookies.Make(header.InitiatorSpi, datagram.Remote, nonce.Data)));
            return;
        }
        if (!Proposals.ProposalSelection.TrySelect(offered.Proposals, connection.IkeSuites, ProtocolId.IKE, ke.Method, false, out Proposals.Proposal? answer, out Proposals.ChosenSuite? suite))
        {
            Runtime.Notice(new IkeSaFailed(connection.Name, PcpuIpsecError.NoProposalChosen, $"no proposal of {datagram.Remote} is acceptable; ours are {string.Join(", ", connection.IkeSuites)}"));
            AnswerInit(header, datagram, new NotifyPayload(NotifyType.NO_PROPOSAL_CHOSEN));
            return;
        }
        if (suite.KeyExchange != ke.Method)
        {
            ExchangeFailure wrong = ChildSaNegotiation.WrongKeyExchange(suite.KeyExchange);
            AnswerInit(header, datagram, new NotifyPayload(NotifyType.INVALID_KE_PAYLOAD, wrong.NotifyData));
            return;
        }
        if (ke.Data.Length != KeyExchanges.PublicValueLength(ke.Method))
        {
            Runtime.Count("ike-malformed");
            return;
        }
        IkeSa sa = new(this, connection, isInitiator: false, header.InitiatorSpi, NewSpi(), datagram.Local, datagram.Remote);
        Register(sa);
        _responding.Add((header.InitiatorSpi, datagram.Remote), sa);
        sa.InitSource = datagram.Remote;
        IkeRuntime.Run(IkeSaInit.Respond(sa, datagram, payloads, answer, suite));
    }

    // No state is kept for these, and none has been promised: the responder's SPI is zero (§2.6).
    private void AnswerInit(IkeHeader header, DatagramReceived datagram, NotifyPayload notify)
        => Runtime.Emit(new SendDatagram(datagram.Local, datagram.Remote, IkeMessage.BuildClear(header.InitiatorSpi, 0, ExchangeType.IKE_SA_INIT, IkeFlags.Response, 0, [notify])));

    /// <summary>The connection that an authenticating initiator means: by its identity, and by the one it asks for.</summary>
    public bool TryMatch(IkeSa sa, IkeIdentity initiator, IkeIdentity? responder, out IkeConnection connection)
    {
        connection = _connections.Values.Select(s => s.Connection).FirstOrDefault(c =>
            c.LocalAddress.Equals(sa.Local.Address) && c.RemoteAddress.Equals(sa.Remote.Address)
            && c.RemoteId == initiator && (responder is null || c.LocalId == responder) && c.IkeSuites.Any(s => s.Allows(sa.Suite!)))!;
        return connection is not null;
    }

    /// <summary>An IKE SA is authenticated. A second session for a connection takes over, but for one that both ends began at once.</summary>
    public void Established(IkeSa sa)
    {
        sa.Establish();
        if (sa.InitSource is { } source)
            _responding.Remove((sa.SpiI, source));
        if (Find(sa.Connection.Name) is not { } state)
            return;
        if (state.Connecting == sa)
            state.Connecting = null;
        IkeSession session = sa.Session;
        session.SetNumbers(state.NextNumber);
        IkeSession? other = state.Current;
        state.Sessions.Add(session);
        Runtime.Notice(new IkeSaEstablished(sa.Connection.Name, sa.SpiI, sa.SpiR, sa.IsInitiator, sa.Local, sa.Remote, sa.Suite!, session.PerResource, sa.Requests.Size));
        if (other is null)
            return;
        bool simultaneous = sa.CreatedAt < other.EstablishedAt && session.InitiatedByUs != other.InitiatedByUs;
        // Both ends know both initiators' SPIs: the lower goes, deleted by the end that initiated it, once the other can carry the traffic.
        IkeSession loser = simultaneous && session.FirstSpiI < other.FirstSpiI ? session : other;
        state.Sessions.Remove(loser);
        state.Sessions.Insert(0, loser);
        // No RFC says which one goes: a peer with another rule, or none, would keep both for good, so it has a little longer and no
        // more. A peer that authenticates anew deletes the old one itself, once it has made all its Child SAs anew; one that has
        // lost its state never does.
        TimeSpan grace = !simultaneous ? _supersededLifetime : sa.Connection.InboundGrace * (loser.InitiatedByUs ? 1 : 3);
        Runtime.After(grace, () => CloseSuperseded(state, loser));
    }

    // Not where the other has gone meanwhile: then this one is all that carries the traffic.
    private static void CloseSuperseded(ConnectionState state, IkeSession session)
    {
        // A Delete would be answered by nobody.
        if (session.ForgottenByPeer)
            session.Current.Terminate(null, "the peer has started anew");
        else if (state.Current != session || session.LeftOut)
            IkeRuntime.Run(session.Current.Close(null, "another IKE SA serves the connection"));
    }

    /// <summary>Whether another Child SA of the connection has its outbound half in the data plane.</summary>
    public bool CarriesTraffic(IkeConnection connection, ChildSa but)
        => Find(connection.Name)?.Sessions.Any(s => s.Live.Any(c => c != but && c.OutboundInstalled)) ?? false;

    /// <summary>
    /// The fallback of the session that serves the connection carries packets: those that went with another session's SAs go
    /// with it now, since their other end may be gone. What still comes in with those is taken.
    /// </summary>
    public void TookOver(IkeSession session)
    {
        if (Find(session.Current.Connection.Name) is not { } state || state.Current != session)
            return;
        foreach (IkeSession old in state.Sessions.Where(s => s != session))
        {
            old.LeftOut = true;
            foreach (ChildSa child in old.Live)
                ChildSaInstallation.SkipOutbound(old.Current, child);
        }
    }

    /// <summary>
    /// The peer says that this is its only IKE SA (§2.4): it knows no other. Their Child SAs may still carry traffic, where its
    /// kernel outlived its process: they go as those of any IKE SA that another one supersedes.
    /// </summary>
    public void InitialContact(IkeSa sa)
    {
        // Not those that were made after this one was begun: both ends may have begun at once.
        foreach (IkeSession old in Find(sa.Connection.Name)?.Sessions.Where(s => s != sa.Session && s.EstablishedAt < sa.CreatedAt) ?? [])
            old.ForgottenByPeer = true;
    }

    /// <summary>An IKE SA has ended.</summary>
    public void Closed(IkeSa sa, bool endsSession, bool connecting, PcpuIpsecError? error, string reason)
    {
        if (connecting)
        {
            Runtime.Notice(new IkeSaFailed(sa.Connection.Name, error ?? PcpuIpsecError.Aborted, reason));
        }
        else if (endsSession)
        {
            Runtime.Notice(new IkeSaClosed(sa.Connection.Name, sa.SpiI, sa.SpiR, error, reason));
        }
        if (Find(sa.Connection.Name) is not { } state)
            return;
        bool ours = state.Connecting == sa;
        if (ours)
            state.Connecting = null;
        bool wasUp = endsSession && state.Sessions.Remove(sa.Session);
        // What was left out for this one carries nothing any more: it cannot take its place back.
        if (wasUp && state.Current is { LeftOut: true } rest)
            CloseSuperseded(state, rest);
        if (ours || (wasUp && error is not null))
            state.AttemptFailed(Runtime.Now);
        if (!state.WasUp && (ours || wasUp))
            state.KeepUp = false;
        if (state.KeepUp && (ours || wasUp) && state.Current is null && state.Connecting is null)
            RetryLater(state);
    }

    // A connection that was up once is brought up again, ever more slowly; one that never was is its owner's to try again.
    private void RetryLater(ConnectionState state)
    {
        TimeSpan delay = state.RetryDelay == TimeSpan.Zero ? TimeSpan.FromSeconds(1) : state.RetryDelay * 2;
        state.RetryDelay = delay > TimeSpan.FromMinutes(1) ? TimeSpan.FromMinutes(1) : delay;
        state.RetryTimer = Runtime.After(state.RetryDelay + Runtime.Jitter(state.RetryDelay, 0.5), () => Initiate(state));
    }

    /// <summary>Nothing may come for it any more.</summary>
    public void Forget(IkeSa sa)
    {
        _bySpi.Remove(sa.LocalSpi);
        // Until now it counted as half open: what lingers takes memory too.
        if (sa.InitSource is { } source && _responding.GetValueOrDefault((sa.SpiI, source)) == sa)
            _responding.Remove((sa.SpiI, source));
    }

    public Placement Place(IkeConnection connection, IkeSession session) => _keeper.Place(connection.Name, session);

    public void PlacementFailed(IkeConnection connection, Placement placement) => _keeper.PlacementFailed(connection.Name, placement);

    public byte[] ResourceIdentifier(IkeConnection connection, int? cpu) => _keeper.ResourceIdentifier(connection.Name, cpu);
}

/// <summary>One connection: its options and the sessions that serve it.</summary>
internal sealed class ConnectionState(IkeConnection connection)
{
    private int _lastNumber;

    public IkeConnection Connection { get; } = connection;

    /// <summary>Our attempt that is under way.</summary>
    public IkeSa? Connecting { get; set; }

    /// <summary>Oldest first; the last serves the connection.</summary>
    public List<IkeSession> Sessions { get; } = [];

    public IkeSession? Current => Sessions.LastOrDefault();

    /// <summary>Asked to be up: brought up again when it goes down.</summary>
    public bool KeepUp { get; set; }

    /// <summary>A Child SA came up once: what the ends want of each other fits.</summary>
    public bool WasUp { get; private set; }

    public TimeSpan RetryDelay { get; set; }

    public IkeTimer? RetryTimer { get; set; }

    /// <summary>Packets that wait do not have it initiated before this time.</summary>
    public TimeSpan TrafficNotBefore { get; private set; }

    private int FailedAttempts { get; set; }

    /// <summary>Our attempt came to nothing.</summary>
    public void AttemptFailed(TimeSpan now) => TrafficNotBefore = now + GroupTimes.Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1), ++FailedAttempts);

    /// <summary>A Child SA came up.</summary>
    public void CameUp() => (WasUp, RetryDelay, FailedAttempts) = (true, TimeSpan.Zero, 0);

    /// <summary>Numbers of Child SAs are unique within a connection.</summary>
    public int NextNumber() => ++_lastNumber;
}
