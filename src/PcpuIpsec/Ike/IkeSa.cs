using System.Buffers.Binary;
using System.Net;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Exchanges;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike;

/// <summary>Where an IKE SA stands.</summary>
internal enum IkeSaState
{
    /// <summary>IKE_SA_INIT or IKE_AUTH under way.</summary>
    Connecting,
    Established,

    /// <summary>Another took its place; it waits to be deleted.</summary>
    Rekeyed,

    /// <summary>Our Delete is under way.</summary>
    Closing,

    /// <summary>Gone; kept for a while only to repeat its last responses.</summary>
    Closed,
}

/// <summary>What a responder answers, and what it does once the answer is on its way.</summary>
internal sealed record Answer(IReadOnlyList<Payload> Payloads, Action? Then = null);

/// <summary>One IKE SA (RFC 7296 §1.2): its keys, its windows, its place in the exchanges.</summary>
internal sealed class IkeSa
{
    // §2.1: a responder keeps its last response for the peer's retransmissions.
    private static readonly TimeSpan _linger = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan _halfOpenLifetime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan _closingGiveUp = TimeSpan.FromSeconds(3);

    private PacketCipher? _outgoing;
    private PacketCipher? _incoming;
    private IkeTimer? _stateTimer;
    private IkeTimer? _livenessTimer;
    private ulong _ivCounter;
    private bool _windowAnnounced;
    private bool _awaitsPeer;
    private readonly PeerProbe _movement;

    public IkeSa(IkeEngine engine, IkeConnection connection, bool isInitiator, ulong spiI, ulong spiR, IPEndPoint local, IPEndPoint remote, IkeSession? session = null)
    {
        Engine = engine;
        Connection = connection;
        IsInitiator = isInitiator;
        SpiI = spiI;
        SpiR = spiR;
        Local = local;
        Remote = remote;
        CreatedAt = LastAuthentic = Runtime.Now;
        Requests = new RequestWindow(this);
        // IKE_SA_INIT (message 0) does not pass through the window of the responder; a rekeyed IKE SA starts at 0.
        Responses = new ResponseWindow(connection.WindowSize, session is null && !isInitiator ? 1u : 0u);
        Session = session ?? new IkeSession(this);
        _movement = new PeerProbe(this);
        if (!isInitiator && session is null)
            _stateTimer = Runtime.After(_halfOpenLifetime, () => Terminate(PcpuIpsecError.PeerSilent, "the peer did not finish IKE_AUTH"));
    }

    public IkeEngine Engine { get; }
    public IkeRuntime Runtime => Engine.Runtime;
    public IkeConnection Connection { get; set; }
    public IkeSession Session { get; }
    public bool IsInitiator { get; }
    public ulong SpiI { get; }
    public ulong SpiR { get; set; }
    public ulong LocalSpi => IsInitiator ? SpiI : SpiR;
    public IPEndPoint Local { get; set; }
    public IPEndPoint Remote { get; set; }
    public IkeSaState State { get; private set; }
    public TimeSpan CreatedAt { get; }
    public TimeSpan LastAuthentic { get; private set; }
    public RequestWindow Requests { get; }
    public ResponseWindow Responses { get; }
    public ChosenSuite? Suite { get; private set; }
    public IkeSaKeys? Keys { get; private set; }
    public PseudorandomFunction Prf => Suite!.Prf!.Value;

    /// <summary>Where IKE_SA_INIT came from, as responder.</summary>
    public IPEndPoint? InitSource { get; set; }

    /// <summary>The two messages and nonces that AUTH covers (§2.15).</summary>
    public byte[] InitRequest { get; set; } = [];
    public byte[] InitResponse { get; set; } = [];
    public byte[] NonceI { get; set; } = [];
    public byte[] NonceR { get; set; } = [];

    /// <summary>The nonces of the exchange that made it by rekeying; null for a first one.</summary>
    public ExchangeNonces? RekeyNonces { get; init; }

    /// <summary>Our request to rekey this IKE SA went out, and what comes of it is not decided.</summary>
    public bool RekeyOffered { get; set; }

    /// <summary>What the peer's rekeying of this IKE SA made.</summary>
    public IkeSa? PeerSuccessor { get; set; }

    /// <summary>NAT detection found one before the peer; it may move, and we follow (§2.23).</summary>
    public bool PeerBehindNat { get; set; }

    /// <summary>NAT detection found one before us.</summary>
    public bool BehindNat { get; set; }

    /// <summary>ESP goes in UDP: a NAT is between, or an end asked for it.</summary>
    public bool Encapsulate { get; set; }

    public bool CanSend => State is IkeSaState.Connecting or IkeSaState.Established or IkeSaState.Rekeyed or IkeSaState.Closing;

    public TimeSpan RetransmitGiveUp => State is IkeSaState.Closing or IkeSaState.Rekeyed ? _closingGiveUp : Connection.RetransmitGiveUp;

    /// <summary>Takes the keys; from now on messages are protected (§2.14).</summary>
    public void UseKeys(ChosenSuite suite, IkeSaKeys keys)
    {
        (Suite, Keys) = (suite, keys);
        if (Connection.ExportKeys)
            Runtime.Emit(new ExportIkeKeys(SpiI, SpiR, keys));
        (PacketCipher initiators, PacketCipher responders) = (keys.CipherOfInitiator(), keys.CipherOfResponder());
        (_outgoing, _incoming) = IsInitiator ? (initiators, responders) : (responders, initiators);
    }

    /// <summary>Authenticated, or made by a rekey: exchanges may begin.</summary>
    public void Establish()
    {
        State = IkeSaState.Established;
        _stateTimer?.Cancel();
        LastAuthentic = Runtime.Now;
        Session.EstablishedAt ??= Runtime.Now;
        if (RekeyNonces is null)
        {
            Session.SetupTime = Runtime.Now - CreatedAt;
            Runtime.Notice(new HandshakeDone(Connection.Name, Handshake.IkeSaSetup, Session.SetupTime));
        }
        if (Connection.LivenessInterval is { } interval)
            WatchLiveness(interval);
        if (Connection.IkeRekeyTime is { } rekey)
        {
            Session.RekeyTimer?.Cancel();
            Session.RekeyTimer = Runtime.After(rekey - Runtime.Jitter(rekey, 0.1), () => IkeRuntime.Run(RekeyIkeSa.Initiate(Session)));
        }
    }

    /// <summary>Another IKE SA of the session has taken over.</summary>
    public void BecomeRekeyed()
    {
        if (State == IkeSaState.Established)
            State = IkeSaState.Rekeyed;
        _livenessTimer?.Cancel();
        _stateTimer?.Cancel();
        // The peer that made the new one deletes this one; where it does not, it goes by itself.
        _stateTimer = Runtime.After(_linger, () => Terminate(null, "replaced by a rekeyed IKE SA"));
    }

    /// <summary>
    /// The peer has asked for this IKE SA by a rekeying and knows it once our response is there and worked out. Requests wait
    /// until it shows that it does: here, by deleting the old one, or not at all but for a moment.
    /// </summary>
    public void AwaitPeer()
    {
        _awaitsPeer = true;
        _ = Requests.Drain();
        Runtime.After(Connection.RetransmitInitial, PeerKnows);
    }

    /// <summary>The peer has this IKE SA.</summary>
    public void PeerKnows()
    {
        if (!_awaitsPeer)
            return;
        _awaitsPeer = false;
        Requests.Resume();
    }

    public byte[] BuildRequest(ExchangeType exchange, uint messageId, IReadOnlyList<Payload> payloads) => Build(exchange, IkeFlags.None, messageId, payloads);

    /// <summary>Sends a message to where the peer is, and to where it may have moved.</summary>
    public void Transmit(byte[] message)
    {
        Runtime.Emit(new SendDatagram(Local, Remote, message));
        if (_movement.Asking is { } elsewhere)
            Runtime.Emit(new SendDatagram(Local, elsewhere, message));
    }

    /// <summary>Authentic ESP came from there.</summary>
    public void PeerSeen(IPEndPoint remote)
    {
        if (MayFollow && State == IkeSaState.Established)
            _movement.Seen(remote);
    }

    // §2.23: only who is not behind a NAT himself follows, for else anybody who forwards a packet could move both ends.
    private bool MayFollow => PeerBehindNat && !BehindNat;

    private void Follow(DatagramReceived datagram)
    {
        bool moved = !Remote.Equals(datagram.Remote);
        (Local, Remote) = (datagram.Local, datagram.Remote);
        if (moved && Session.Current == this && State == IkeSaState.Established)
            IkeRuntime.Run(PeerMovement.Follow(this));
    }

    /// <summary>A message that names this IKE SA arrived.</summary>
    public void Receive(IkeHeader header, DatagramReceived datagram)
    {
        if (_incoming is null || header.InitiatorSpi != SpiI || header.ResponderSpi != SpiR || header.FromInitiator == IsInitiator)
        {
            Runtime.Count("ike-unexpected");
            return;
        }
        // An error without an answer was found before the message was known to be authentic: it may be anybody's.
        if (!IkeMessage.TryOpen(datagram.Message, header, _incoming, out IReadOnlyList<Payload> payloads, out ParseError? error) && error.Answer is null)
        {
            Runtime.Count(ReferenceEquals(error, ParseError.NotAuthentic) ? "ike-not-authentic" : "ike-malformed");
            return;
        }
        PeerKnows();
        if (payloads.Notify(NotifyType.SET_WINDOW_SIZE) is { Data.Length: 4 } window)
            Requests.PeerAnnounced(BinaryPrimitives.ReadUInt32BigEndian(window.Data));
        if (!header.IsResponse)
            ReceiveRequest(header, datagram, payloads, error);
        else if (error is not null)
            Runtime.Count("ike-malformed");
        else if (Requests.Expects(header))
        {
            // §2.4: only a fresh message says that the peer lives; a repeated one may be anybody's.
            LastAuthentic = Runtime.Now;
            if (MayFollow)
                Follow(datagram);
            Requests.Receive(new IkeReply(this, header, payloads, datagram.Message));
        }
        else
            Runtime.Count("ike-unasked-response");
    }

    private void ReceiveRequest(IkeHeader header, DatagramReceived datagram, IReadOnlyList<Payload> payloads, ParseError? error)
    {
        // Before the IKE SA is there, a pre-shared key knows one request: the initiator's IKE_AUTH. What comes too early comes again.
        if (State == IkeSaState.Connecting && (IsInitiator || header is not { MessageId: 1, Exchange: ExchangeType.IKE_AUTH }))
        {
            Runtime.Count("ike-unexpected");
            return;
        }
        switch (Responses.Receive(header.MessageId, out byte[]? response))
        {
            case RequestVerdict.New when State == IkeSaState.Closed:
                Runtime.Count("ike-unexpected");
                break;
            case RequestVerdict.New:
                LastAuthentic = Runtime.Now;
                // §2.23: only a fresh authentic message may move the peer, and only where a NAT may have moved it.
                if (State == IkeSaState.Connecting || MayFollow)
                    Follow(datagram);
                IkeRuntime.Run(Respond(header, datagram, payloads, error));
                break;
            case RequestVerdict.Answered:
                Runtime.Count("ike-repeated-request");
                Runtime.Emit(new SendDatagram(datagram.Local, datagram.Remote, response));
                break;
            case RequestVerdict.InProgress:
                Runtime.Count("ike-repeated-request");
                break;
            default:
                Runtime.Count("ike-outside-window");
                break;
        }
    }

    private async Step<bool> Respond(IkeHeader header, DatagramReceived datagram, IReadOnlyList<Payload> payloads, ParseError? error)
    {
        Answer answer;
        try
        {
            if (error is not null)
                answer = Refuse(error);
            else
                answer = await Handle(header, payloads);
        }
        catch (ExchangeFailure failure) when (failure.Error == PcpuIpsecError.Aborted)
        {
            return false;
        }
        catch (ExchangeFailure failure)
        {
            Runtime.Notice(new IkeStep(Connection.Name, $"{header.Exchange} {header.MessageId} refused: {failure.Message}"));
            answer = new Answer([new NotifyPayload(failure.Notify ?? NotifyType.TEMPORARY_FAILURE, failure.NotifyData)]);
        }
        if (State == IkeSaState.Closed)
            return false;
        byte[] message = Build(header.Exchange, IkeFlags.Response, header.MessageId, answer.Payloads);
        Responses.Answer(header.MessageId, message);
        Runtime.Emit(new SendDatagram(datagram.Local, datagram.Remote, message));
        if (header.Exchange != ExchangeType.IKE_AUTH && Session.Unconfirmed is { } first)
        {
            Session.Unconfirmed = null;
            IkeRuntime.Run(ChildSaInstallation.InstallOutbound(this, first));
        }
        answer.Then?.Invoke();
        return true;
    }

    private Step<Answer> Handle(IkeHeader header, IReadOnlyList<Payload> payloads) => (header.Exchange, State) switch
    {
        (ExchangeType.IKE_AUTH, IkeSaState.Connecting) when !IsInitiator => IkeAuth.Respond(this, payloads),
        (ExchangeType.CREATE_CHILD_SA, IkeSaState.Established) => CreateChildSa.Respond(this, payloads),
        (ExchangeType.CREATE_CHILD_SA, IkeSaState.Rekeyed or IkeSaState.Closing)
            => throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, $"the IKE SA is {State}", NotifyType.TEMPORARY_FAILURE),
        (ExchangeType.INFORMATIONAL, not IkeSaState.Connecting) => Informational.Respond(this, payloads),
        _ => throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, $"{header.Exchange} does not belong to a state of {State}", NotifyType.INVALID_SYNTAX),
    };

    // §2.21.3: INVALID_SYNTAX is fatal to the IKE SA; an unknown critical payload (§2.5) only to the request.
    private Answer Refuse(ParseError error)
    {
        Runtime.Count("ike-malformed");
        NotifyType notify = error.Answer ?? NotifyType.INVALID_SYNTAX;
        return notify == NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD
            ? new Answer([new NotifyPayload(notify, [(byte)error.Payload])])
            : new Answer([new NotifyPayload(notify)], () => Terminate(PcpuIpsecError.ProtocolViolation, $"the peer sent a malformed message: {error.Text}"));
    }

    private byte[] Build(ExchangeType exchange, IkeFlags flags, uint messageId, IReadOnlyList<Payload> payloads)
    {
        // Each IKE SA announces our window in the first message that it protects (§2.3); a rekey starts again at 1.
        if (!_windowAnnounced && Connection.WindowSize > 1)
        {
            byte[] size = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(size, Connection.WindowSize);
            payloads = [.. payloads, new NotifyPayload(NotifyType.SET_WINDOW_SIZE, size)];
        }
        _windowAnnounced = true;
        return IkeMessage.BuildProtected(SpiI, SpiR, exchange, flags | (IsInitiator ? IkeFlags.Initiator : IkeFlags.None), messageId, payloads, _outgoing!, NextIv());
    }

    // RFC 5282 §3.1: with an AEAD an IV must never repeat under a key; a counter cannot. CBC's must be unpredictable.
    private byte[] NextIv()
    {
        if (_outgoing!.NeedsRandomIv)
            return Runtime.RandomBytes(_outgoing.IvLength);
        byte[] iv = new byte[_outgoing.IvLength];
        BinaryPrimitives.WriteUInt64BigEndian(iv, ++_ivCounter);
        return iv;
    }

    private void WatchLiveness(TimeSpan interval)
    {
        if (State != IkeSaState.Established)
            return;
        TimeSpan quiet = Runtime.Now - LastAuthentic;
        // Requests in flight are a liveness check already.
        if (quiet >= interval && Requests.InFlight == 0)
            IkeRuntime.Run(Informational.CheckLiveness(this));
        _livenessTimer = Runtime.After(quiet >= interval ? interval : interval - quiet, () => WatchLiveness(interval));
    }

    /// <summary>A request was retransmitted for as long as allowed (§2.4).</summary>
    public void PeerIsSilent(string reason) => Terminate(State is IkeSaState.Closing or IkeSaState.Rekeyed ? null : PcpuIpsecError.PeerSilent, reason);

    /// <summary>Deletes this IKE SA with the peer (§1.4.1) and then here; the error is null where it was asked for.</summary>
    public async Step<bool> Close(PcpuIpsecError? error, string reason)
    {
        if (State is IkeSaState.Closing or IkeSaState.Closed)
            return false;
        if (_outgoing is null)
        {
            Terminate(error, reason);
            return false;
        }
        bool carriesChildren = Session.Current == this;
        State = IkeSaState.Closing;
        _livenessTimer?.Cancel();
        if (carriesChildren)
            Session.RekeyTimer?.Cancel();
        // What the peer's rekeying at the same moment made goes with it.
        if (carriesChildren && PeerSuccessor is { } undecided)
            IkeRuntime.Run(undecided.Close(null, reason));
        Requests.Forsake(reason);
        try
        {
            await Requests.Send(ExchangeType.INFORMATIONAL, _ => [new DeletePayload(ProtocolId.IKE, [])]);
        }
        catch (ExchangeFailure)
        {
            // The peer is silent or deleted it at the same time: gone either way.
        }
        Terminate(error, reason);
        return true;
    }

    /// <summary>Ends the IKE SA here and now, its Child SAs with it where it carries them.</summary>
    /// <param name="error">Why, or null where it was asked for.</param>
    /// <param name="reason">Why, in words.</param>
    public void Terminate(PcpuIpsecError? error, string reason)
    {
        if (State == IkeSaState.Closed)
            return;
        bool connecting = State == IkeSaState.Connecting;
        State = IkeSaState.Closed;
        _stateTimer?.Cancel();
        _livenessTimer?.Cancel();
        bool endsSession = Session.Current == this;
        if (endsSession)
        {
            Session.Closed = true;
            Session.RekeyTimer?.Cancel();
            Runtime.Abandon(Session);
            foreach (ChildSa child in Session.Children.ToArray())
                ChildSaInstallation.Remove(this, child, byPeer: false, reason, TimeSpan.Zero);
            PeerSuccessor?.Terminate(null, reason);
        }
        Requests.Abort(error ?? PcpuIpsecError.Aborted, reason);
        Engine.Closed(this, endsSession, connecting, error, reason);
        Runtime.After(_linger, Dispose);
    }

    private void Dispose()
    {
        Engine.Forget(this);
        _outgoing?.Dispose();
        _incoming?.Dispose();
        Keys?.Dispose();
        (_outgoing, _incoming, Keys) = (null, null, null);
    }
}
