using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike;

/// <summary>A response to one of our requests, and the IKE SA that carried it (a rekey may have moved the request).</summary>
internal sealed record IkeReply(IkeSa Carrier, IkeHeader Header, IReadOnlyList<Payload> Payloads, byte[] Datagram);

/// <summary>
/// Our requests (RFC 7296 §2.1 to §2.4): numbered, as many in flight as the peer's window allows, retransmitted with
/// growing intervals until answered or given up.
/// </summary>
internal sealed class RequestWindow(IkeSa sa)
{
    private readonly SortedDictionary<uint, Outstanding> _outstanding = [];
    private readonly Queue<Waiting> _waiting = [];
    private readonly List<Step<bool>> _drained = [];
    // Longer than a lost packet or two take.
    private static readonly TimeSpan _slow = TimeSpan.FromSeconds(3);

    private uint _next;
    private bool _toldSlow;
    private bool _held;

    /// <summary>How many requests the peer takes at a time; 1 until it announces more (SET_WINDOW_SIZE).</summary>
    public int Size { get; private set; } = 1;

    public int InFlight => _outstanding.Count;

    /// <summary>The peer announced its window. One that is smaller than before is ignored: requests may be in flight.</summary>
    public void PeerAnnounced(uint size)
    {
        Size = Math.Max(Size, (int)Math.Min(size, 1024));
        Pump();
    }

    /// <summary>Sends a request as soon as the window allows; its payloads are made only then.</summary>
    /// <param name="exchange">The exchange.</param>
    /// <param name="payloads">Makes the payloads for the IKE SA that carries them; null gives the request up.</param>
    /// <returns>The reply, or null where the request was given up by its maker.</returns>
    public Step<IkeReply?> Send(ExchangeType exchange, Func<IkeSa, IReadOnlyList<Payload>?> payloads)
    {
        Waiting waiting = new(exchange, payloads);
        _waiting.Enqueue(waiting);
        Pump();
        return waiting.Reply;
    }

    /// <summary>Sends at once, past what waits: for the exchange that the others wait for.</summary>
    public Step<IkeReply?> SendFirst(ExchangeType exchange, IReadOnlyList<Payload> payloads)
    {
        Waiting waiting = new(exchange, _ => payloads);
        Transmit(waiting, payloads);
        return waiting.Reply;
    }

    /// <summary>IKE_SA_INIT: in clear, always with message id 0, also when it is sent again with a cookie or another key.</summary>
    public Step<IkeReply?> SendInit(byte[] message)
    {
        Waiting waiting = new(ExchangeType.IKE_SA_INIT, _ => []);
        Outstanding outstanding = new(0, waiting, message);
        _outstanding[0] = outstanding;
        _next = 1;
        Launch(outstanding);
        return waiting.Reply;
    }

    /// <summary>Holds new requests back and waits until none is in flight (before the IKE SA is rekeyed, §2.18).</summary>
    public Step<bool> Drain()
    {
        _held = true;
        Step<bool> drained = new();
        if (_outstanding.Count == 0)
            drained.TrySetResult(true);
        else
            _drained.Add(drained);
        return drained;
    }

    /// <summary>Lets held requests go again.</summary>
    public void Resume()
    {
        _held = false;
        Pump();
    }

    /// <summary>What waits goes over to the IKE SA that replaces this one.</summary>
    public void MoveWaitingTo(RequestWindow successor)
    {
        while (_waiting.TryDequeue(out Waiting? waiting))
            successor._waiting.Enqueue(waiting);
        successor.Pump();
    }

    /// <summary>Whether a response is one that we wait for.</summary>
    public bool Expects(IkeHeader header) => _outstanding.TryGetValue(header.MessageId, out Outstanding? outstanding) && outstanding.Waiting.Exchange == header.Exchange;

    /// <summary>Takes a response; false where no such request is in flight.</summary>
    public bool Receive(IkeReply reply)
    {
        if (!_outstanding.TryGetValue(reply.Header.MessageId, out Outstanding? outstanding) || outstanding.Waiting.Exchange != reply.Header.Exchange)
            return false;
        outstanding.Timer?.Cancel();
        _outstanding.Remove(reply.Header.MessageId);
        _toldSlow = false;
        sa.Runtime.Notice(new ExchangeAnswered(sa.Connection.Name, reply.Header.Exchange, sa.Runtime.Now - outstanding.FirstSent));
        try
        {
            outstanding.Waiting.Reply.TrySetResult(reply);
        }
        finally
        {
            // A fault in what the reply continues must not stop the window.
            Settle();
        }
        return true;
    }

    /// <summary>Fails everything, in flight and waiting, and sends nothing any more.</summary>
    public void Abort(PcpuIpsecError error, string reason)
    {
        _held = true;
        foreach (Outstanding outstanding in _outstanding.Values.ToArray())
        {
            outstanding.Timer?.Cancel();
            outstanding.Waiting.Reply.TrySetException(new ExchangeFailure(error, reason));
        }
        _outstanding.Clear();
        while (_waiting.TryDequeue(out Waiting? waiting))
            waiting.Reply.TrySetException(new ExchangeFailure(error, reason));
        Settle();
    }

    /// <summary>
    /// Fails what others wait for, but keeps what is in flight numbered and retransmitted, so that a last request
    /// (Delete) still finds its place in the window.
    /// </summary>
    public void Forsake(string reason)
    {
        while (_waiting.TryDequeue(out Waiting? waiting))
            waiting.Reply.TrySetException(new ExchangeFailure(PcpuIpsecError.Aborted, reason));
        foreach (Outstanding outstanding in _outstanding.Values.ToArray())
            outstanding.Waiting.Reply.TrySetException(new ExchangeFailure(PcpuIpsecError.Aborted, reason));
        _held = false;
    }

    private void Settle()
    {
        if (_outstanding.Count == 0 && _drained.Count > 0)
        {
            Step<bool>[] drained = [.. _drained];
            _drained.Clear();
            foreach (Step<bool> step in drained)
                step.TrySetResult(true);
        }
        Pump();
    }

    private void Pump()
    {
        while (!_held && _waiting.Count > 0 && sa.CanSend && HasRoom)
        {
            Waiting waiting = _waiting.Dequeue();
            if (waiting.Payloads(sa) is { } payloads)
                Transmit(waiting, payloads);
            else
                waiting.Reply.TrySetResult(null);
        }
    }

    // §2.3: no request may be numbered a window or more beyond the oldest that is unanswered.
    private bool HasRoom => _outstanding.Count == 0 || _next - _outstanding.First().Key < (uint)Size;

    private void Transmit(Waiting waiting, IReadOnlyList<Payload> payloads)
    {
        uint id = _next++;
        Outstanding outstanding = new(id, waiting, sa.BuildRequest(waiting.Exchange, id, payloads));
        _outstanding.Add(id, outstanding);
        Launch(outstanding);
    }

    private void Launch(Outstanding outstanding)
    {
        outstanding.FirstSent = sa.Runtime.Now;
        outstanding.Interval = sa.Connection.RetransmitInitial;
        sa.Transmit(outstanding.Message);
        Schedule(outstanding);
    }

    private void Schedule(Outstanding outstanding)
        => outstanding.Timer = sa.Runtime.After(outstanding.Interval, () =>
        {
            if (sa.Runtime.Now - outstanding.FirstSent >= sa.RetransmitGiveUp)
            {
                sa.PeerIsSilent($"no answer to {outstanding.Waiting.Exchange} within {sa.RetransmitGiveUp.TotalSeconds:0.#} s");
                return;
            }
            sa.Runtime.Count("retransmissions");
            sa.Transmit(outstanding.Message);
            TellIfSlow(outstanding);
            TimeSpan left = outstanding.FirstSent + sa.RetransmitGiveUp - sa.Runtime.Now;
            TimeSpan next = outstanding.Interval * sa.Connection.RetransmitFactor;
            outstanding.Interval = next < left ? next : left;
            Schedule(outstanding);
        });

    // Whoever watches hears of a silence long before it ends, and once.
    private void TellIfSlow(Outstanding outstanding)
    {
        TimeSpan waited = sa.Runtime.Now - outstanding.FirstSent;
        if (_toldSlow || waited < _slow)
            return;
        _toldSlow = true;
        sa.Runtime.Notice(new PeerSlow(sa.Connection.Name, sa.Remote, outstanding.Waiting.Exchange, waited, sa.RetransmitGiveUp));
    }

    private sealed record Waiting(ExchangeType Exchange, Func<IkeSa, IReadOnlyList<Payload>?> Payloads)
    {
        public Step<IkeReply?> Reply { get; } = new();
    }

    private sealed record Outstanding(uint MessageId, Waiting Waiting, byte[] Message)
    {
        public TimeSpan FirstSent { get; set; }

        public TimeSpan Interval { get; set; }

        public IkeTimer? Timer { get; set; }
    }
}
