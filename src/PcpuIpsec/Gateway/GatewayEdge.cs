using System.Net;
using Microsoft.Extensions.Logging;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

/// <summary>
/// Drives the protocol: feeds it what the network, the data plane, the clock and the owner say, and has its effects done.
/// Everything here happens on the event loop; other threads come in through <see cref="Loop"/>.
/// </summary>
internal sealed class GatewayEdge : IAsyncDisposable
{
    // What a flood may have waiting; more is dropped, as a full socket buffer would.
    private const int MostDatagramsWaiting = 4096;

    // RFC 3948 §4: the default interval of NAT keepalives.
    private static readonly TimeSpan _keepaliveInterval = TimeSpan.FromSeconds(20);

    private readonly IGatewayCore _core;
    private readonly IDataPlane _plane;
    private readonly ILogger _log;
    private readonly NoticeReporter _reporter;
    private readonly EdgeCounters _counters = new();
    private readonly EffectRunner _effects;
    private readonly bool _exportsKeys;
    private readonly OrderedDictionary<string, Tunnel> _tunnels = new(StringComparer.Ordinal);
    private TimeSpan _keepaliveAt = _keepaliveInterval;
    private int _datagramsWaiting;
    private bool _changed;
    private string? _planeFailure;

    public GatewayEdge(IGatewayCore core, IDataPlane plane, NoticeReporter reporter, ILogger log, KeyExport? keys = null)
    {
        _core = core;
        _plane = plane;
        _log = log;
        _reporter = reporter;
        _exportsKeys = keys is not null;
        Loop = new EventLoop(_counters, log);
        Plane = new PlaneQueue(plane);
        Sockets = new EdgeSockets(_counters, Received, log);
        _effects = new EffectRunner(Plane, Sockets, name => _tunnels.GetValueOrDefault(name)?.Options, c => Loop.Post(() => Feed(c)), Take, log, keys);
        Loop.Start(LookAfterWhatIsDue);
    }

    public EventLoop Loop { get; }

    public PlaneQueue Plane { get; }

    public EdgeSockets Sockets { get; }

    public IEnumerable<Tunnel> Tunnels => _tunnels.Values;

    public Tunnel? Find(string name) => _tunnels.GetValueOrDefault(name);

    public void Add(Tunnel tunnel)
    {
        Feed(new AddConnection(tunnel.Options.Connection with { ExportKeys = _exportsKeys }));
        _tunnels.Add(tunnel.Name, tunnel);
    }

    public void Remove(Tunnel tunnel)
    {
        tunnel.FailWaiters(PcpuIpsecError.Aborted, "it was removed");
        _tunnels.Remove(tunnel.Name);
        tunnel.Options.Dispose();
    }

    public IReadOnlyList<ConnectionSnapshot> Snapshot() => _core.Snapshot();

    public ConnectionSnapshot? Snapshot(string tunnel) => _core.Snapshot(tunnel);

    public IReadOnlyDictionary<string, long> Counters()
    {
        var counters = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach ((string name, long value) in _core.Counters)
            counters[name] = value;
        _counters.AddTo(counters);
        return counters;
    }

    /// <summary>Has somebody wait for a tunnel; what is reached already lets him go at once.</summary>
    public void Wait(Tunnel tunnel, TunnelWaiter waiter)
    {
        if (_planeFailure is { } reason)
        {
            waiter.Fail(new PcpuIpsecException(PcpuIpsecError.HostUnable, $"Tunnel '{tunnel.Name}': the data plane failed: {reason}"));
            return;
        }
        tunnel.Add(waiter);
        tunnel.Settle(Snapshot(tunnel.Name));
    }

    /// <summary>Initiates a tunnel that is down.</summary>
    public void Initiate(Tunnel tunnel)
    {
        tunnel.RetryAt = null;
        tunnel.Initiated = true;
        if (Snapshot(tunnel.Name) is { State: "down" })
            Feed(new InitiateConnection(tunnel.Name));
    }

    /// <summary>Gives the protocol one event and has its effects done, in order.</summary>
    public void Feed(IkeEvent e)
    {
        List<IkeEffect> effects = [];
        try
        {
            _core.Process(e, Loop.Now, effects);
        }
        finally
        {
            // What was asked for before a fault is still owed, and one effect's fault must not take the others along: a
            // request without an answer would hang its exchange.
            foreach (IkeEffect effect in effects)
                Loop.Guarded(() => _effects.Run(effect));
            _changed = true;
        }
    }

    /// <summary>Takes what the data plane says.</summary>
    public void Take(DataPlaneEvent e)
    {
        switch (e)
        {
            case AcquireRaised a:
                Feed(new Acquire(a.Connection, a.Cpu, a.TriggerLocal, a.TriggerRemote));
                break;
            case SaExpired x:
                Feed(new LifetimeReached(x.Direction, x.Spi, x.Destination, x.Hard));
                break;
            case InboundUsed u:
                Feed(new InboundTraffic(u.Spi));
                break;
            case PeerMapped m:
                GatewayLog.PeerMapped(_log, m.Spi, m.NewRemote);
                Feed(new PeerSeen(m.Spi, m.NewRemote));
                break;
            case PlaneFailed f:
                Fail(f.Reason);
                break;
        }
    }

    /// <summary>Takes the end of the data plane: nothing is carried any more, and nothing leaves in clear.</summary>
    public void Fail(string reason)
    {
        if (_planeFailure is not null)
            return;
        _planeFailure = reason;
        GatewayLog.PlaneFailed(_log, reason);
        _reporter.Publish(GatewayEventKind.DataPlaneFailed, "", $"The data plane failed, protected traffic is held: {reason}", error: PcpuIpsecError.HostUnable);
        foreach (Tunnel tunnel in _tunnels.Values)
            tunnel.FailWaiters(PcpuIpsecError.HostUnable, $"the data plane failed: {reason}");
    }

    /// <summary>Stops and lets go what waits; the data plane goes last but for its sockets.</summary>
    public async ValueTask DisposeAsync()
    {
        Sockets.Stop();
        await Loop.DisposeAsync();
        await Plane.DisposeAsync();
        await _plane.DisposeAsync();
        Sockets.Dispose();
        foreach (Tunnel tunnel in _tunnels.Values)
        {
            tunnel.FailWaiters(PcpuIpsecError.Aborted, "the gateway was stopped");
            tunnel.Options.Dispose();
        }
        _tunnels.Clear();
    }

    // On a receiving task.
    private void Received(IPEndPoint local, IPEndPoint remote, byte[] message)
    {
        if (Interlocked.Increment(ref _datagramsWaiting) > MostDatagramsWaiting)
        {
            Interlocked.Decrement(ref _datagramsWaiting);
            _counters.QueueFull();
            return;
        }
        Loop.Post(() =>
        {
            Interlocked.Decrement(ref _datagramsWaiting);
            Feed(new DatagramReceived(local, remote, message));
        });
    }

    private void Take(IkeNotice notice)
    {
        _reporter.Report(notice);
        if (Find(notice.Connection) is not { } tunnel)
            return;
        if (tunnel.Take(notice, tunnel.HasWaiters ? Snapshot(tunnel.Name) : null) is { } wait && tunnel.RetryAt is null)
        {
            tunnel.RetryAt = Loop.Now + wait;
            GatewayLog.RetryScheduled(_log, tunnel.Name, wait);
        }
    }

    private void LookAfterWhatIsDue()
    {
        TimeSpan now = Loop.Now;
        if (_core.NextDeadline <= now)
            Feed(new TimePassed());
        foreach (Tunnel tunnel in _tunnels.Values)
        {
            if (tunnel.RetryAt <= now)
                Initiate(tunnel);
        }
        if (_keepaliveAt <= now)
            SendKeepalives(now);
        if (_changed)
            SettleWaiters();
        Loop.WakeAt(NextWakeUp());
    }

    private TimeSpan NextWakeUp()
    {
        TimeSpan next = _keepaliveAt;
        if (_core.NextDeadline is { } deadline && deadline < next)
            next = deadline;
        foreach (Tunnel tunnel in _tunnels.Values)
        {
            if (tunnel.RetryAt is { } retry && retry < next)
                next = retry;
        }
        return next;
    }

    // An IKE SA on the port of NAT traversal has a NAT on its way, or was asked to behave so.
    private void SendKeepalives(TimeSpan now)
    {
        _keepaliveAt = now + _keepaliveInterval;
        foreach (ConnectionSnapshot connection in _core.Snapshot())
        {
            if (connection is { State: "up", Local: { } local, Remote: { } remote })
                Sockets.SendKeepalive(local, remote);
        }
    }

    private void SettleWaiters()
    {
        _changed = false;
        foreach (Tunnel tunnel in _tunnels.Values)
        {
            if (tunnel.HasWaiters)
                tunnel.Settle(_core.Snapshot(tunnel.Name));
        }
    }
}
