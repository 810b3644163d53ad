using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Gateway;

/// <summary>A tunnel that was added, as the edge sees it. Touched on the event loop alone.</summary>
internal sealed class Tunnel(ValidatedTunnel options)
{
    private static readonly TimeSpan _firstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _lastRetry = TimeSpan.FromSeconds(60);

    private readonly List<TunnelWaiter> _waiters = [];
    private readonly HashSet<int> _refusedCpus = [];
    private readonly HashSet<int> _servedCpus = [];
    private TimeSpan _retryWait = _firstRetry;
    private bool _wasUp;

    public ValidatedTunnel Options { get; } = options;

    public string Name => Options.Name;

    public string? LastError { get; private set; }

    /// <summary>Initiate until it is up for the first time.</summary>
    public bool KeepUp { get; set; } = options.StartAction == StartAction.Initiate;

    /// <summary>True once we have initiated it, and not only waited for the peer.</summary>
    public bool Initiated { get; set; }

    /// <summary>When to initiate again, on the loop's clock.</summary>
    public TimeSpan? RetryAt { get; set; }

    public bool HasWaiters => _waiters.Count > 0;

    public void Add(TunnelWaiter waiter) => _waiters.Add(waiter);

    public void Remove(TunnelWaiter waiter) => _waiters.Remove(waiter);

    /// <summary>Takes a notice of this tunnel.</summary>
    /// <param name="notice">The notice.</param>
    /// <param name="after">Where the tunnel stands after it; asked for only where somebody waits.</param>
    /// <returns>How long until it is to be initiated again; null: it is not.</returns>
    public TimeSpan? Take(IkeNotice notice, ConnectionSnapshot? after)
    {
        switch (notice)
        {
            case IkeSaEstablished:
                LastError = null;
                _refusedCpus.Clear();
                _servedCpus.Clear();
                break;
            case ChildSaEstablished n:
                _wasUp = true;
                if (n.Child.Cpu is { } cpu)
                {
                    _refusedCpus.Remove(cpu);
                    _servedCpus.Add(cpu);
                }
                break;
            case ChildSaFailed n:
                LastError = n.Reason;
                if (n is { Cpu: { } refused, Notify: NotifyType.TS_MAX_QUEUE or NotifyType.NO_ADDITIONAL_SAS })
                    _refusedCpus.Add(refused);
                break;
            case IkeSaFailed n:
                LastError = n.Reason;
                break;
            case IkeSaClosed { Error: not null } n:
                LastError = n.Reason;
                break;
        }
        Settle(notice, after);
        return notice is IkeSaFailed or IkeSaClosed ? NextRetry() : null;
    }

    /// <summary>Lets go who waits for what the tunnel has now reached.</summary>
    public void Settle(ConnectionSnapshot? snapshot)
    {
        for (int i = _waiters.Count - 1; i >= 0; i--)
        {
            if (!_waiters[i].IsDone(snapshot))
                continue;
            _waiters[i].Succeed();
            _waiters.RemoveAt(i);
        }
    }

    /// <summary>Ends every wait with a failure.</summary>
    public void FailWaiters(PcpuIpsecError error, string reason)
    {
        foreach (TunnelWaiter waiter in _waiters)
            waiter.Fail(new PcpuIpsecException(error, $"Tunnel '{Name}': {reason}"));
        _waiters.Clear();
    }

    /// <summary>True where the Child SA that serves every CPU carries traffic both ways.</summary>
    public static bool FallbackIsUp(ConnectionSnapshot? snapshot)
        => snapshot is { State: "up" } && snapshot.Children.Any(c => c is { IsFallback: true, OutboundInstalled: true });

    /// <summary>
    /// True where the fallback is up and every CPU has a Child SA of its own, was refused one, or had one that may be idle. With a peer without
    /// RFC 9611, and on demand, the fallback is all there is to wait for.
    /// </summary>
    public bool AllChildSasAreUp(ConnectionSnapshot? snapshot)
        => FallbackIsUp(snapshot)
            && (!snapshot!.PerResource || Options.Connection.OnDemand
                || Options.Connection.Cpus.All(cpu => _refusedCpus.Contains(cpu) || (Options.Connection.IdleTime is not null && _servedCpus.Contains(cpu)) || snapshot.Children.Any(c => c.Cpu == cpu && c.OutboundInstalled)));

    private void Settle(IkeNotice notice, ConnectionSnapshot? after)
    {
        for (int i = _waiters.Count - 1; i >= 0; i--)
        {
            if (_waiters[i].IsDoneBy(notice))
                _waiters[i].Succeed();
            else if (_waiters[i].FailsBy(notice, after) is { } failure)
                _waiters[i].Fail(failure);
            else
                continue;
            _waiters.RemoveAt(i);
        }
    }

    // Once it was up the protocol itself brings it up again.
    private TimeSpan? NextRetry()
    {
        if (!KeepUp || _wasUp)
            return null;
        TimeSpan wait = _retryWait;
        _retryWait = wait * 2 < _lastRetry ? wait * 2 : _lastRetry;
        return wait;
    }
}
