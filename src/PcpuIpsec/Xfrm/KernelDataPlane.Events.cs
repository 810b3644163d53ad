using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>What the kernel says of its own accord, and what is set right where somebody else changed it.</summary>
internal sealed partial class KernelDataPlane
{
    private static readonly TimeSpan _retryPause = TimeSpan.FromSeconds(1);
    private static readonly IPAddress _allNodes = IPAddress.Parse("ff02::1");

    private ITimer? _retry;

    /// <summary>Takes one event; the monitor's thread calls it.</summary>
    internal void Take(XfrmEvent e)
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            OrLater(() =>
            {
                switch (e)
                {
                    case XfrmAcquire acquire:
                        Take(acquire);
                        break;
                    case XfrmExpire expire:
                        Take(expire);
                        break;
                    case XfrmMapping mapping when _sas.ContainsKey(mapping.State):
                        _events.Writer.TryWrite(new PeerMapped(mapping.State.Spi, mapping.New));
                        break;
                    case XfrmPolicyDeleted deleted when deleted.Selector is not { } selector || _connections.Values.Any(c => c.Held.Any(p => p.Selector == selector)):
                        PutBackPolicies(_xfrm.Policies());
                        break;
                    case XfrmPoliciesFlushed:
                        PutBackPolicies([]);
                        break;
                    case XfrmEventsLost lost:
                        KernelPlaneLog.EventsLost(_options.Logger, lost.Reason);
                        Resynchronize();
                        break;
                }
            });
        }
    }

    /// <summary>
    /// What the kernel refuses now, for want of memory say, is not lost: everything is compared and set right once more, a
    /// second later. Under the lock.
    /// </summary>
    private void OrLater(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is PcpuIpsecException or IOException or UnauthorizedAccessException)
        {
            KernelPlaneLog.Refused(_options.Logger, e.Message);
            _retry ??= _options.Clock.CreateTimer(_ => Retry(), null, _retryPause, Timeout.InfiniteTimeSpan);
        }
    }

    private void Retry()
    {
        lock (_lock)
        {
            _retry?.Dispose();
            _retry = null;
            if (!_disposed)
                OrLater(SetRight);
        }

        void SetRight()
        {
            Resynchronize();
            foreach (XfrmStateId id in _retired.Where(r => r.Value.IsDue).Select(r => r.Key).ToArray())
                OrLater(() => DeleteRetired(id));
            foreach (KernelConnection connection in _connections.Values)
            {
                // Each for itself: what the kernel goes on to refuse for one keeps the others from nothing.
                OrLater(() =>
                {
                    // Also those that are there: one may have been left as it is for a moment only.
                    foreach (XfrmPolicy policy in connection.Held)
                        Write(connection, policy);
                    if (_sas.Values.FirstOrDefault(s => s.Direction == SaDirection.Outbound && s.State.RequestId == connection.RequestId) is { } outbound)
                        ReplaceLeft(connection, outbound.Suite);
                    Refresh(connection);
                    LookUpAnew(connection);
                });
            }
        }
    }

    /// <summary>
    /// Somebody else deleted policies, ours among them (`ip xfrm policy flush`, another daemon's start): without them all would
    /// leave in clear. Ours are written anew, those for what leaves first; what this process deletes itself is no connection's
    /// any more by then.
    /// </summary>
    private void PutBackPolicies(List<XfrmPolicy> left)
    {
        var there = left.Select(KernelPolicies.KeyOf).ToHashSet();
        (KernelConnection Connection, XfrmPolicy Policy)[] missing =
        [
            .. from connection in _connections.Values
               from policy in connection.Held
               where !there.Contains(KernelPolicies.KeyOf(policy))
               orderby policy.Direction != XfrmPolicyDirection.Out
               select (connection, policy),
        ];
        // Each for itself: until it is there, what it covers leaves in clear.
        foreach ((KernelConnection connection, XfrmPolicy policy) in missing)
            OrLater(() => Write(connection, policy));
        foreach (IGrouping<KernelConnection, XfrmPolicy> of in missing.ToLookup(m => m.Connection, m => m.Policy))
            KernelPlaneLog.PoliciesPutBack(_options.Logger, of.Key.Policy.Connection, of.Count());
    }

    private void Listen(XfrmMonitor monitor)
    {
        _listening = new Thread(() =>
        {
            try
            {
                foreach (XfrmEvent e in monitor.Read(_stop.Token))
                    Take(e);
            }
            catch (PcpuIpsecException e)
            {
                _events.Writer.TryWrite(new PlaneFailed($"the kernel's events cannot be read: {e.Message}"));
            }
            finally
            {
                monitor.Dispose();
            }
        })
        { IsBackground = true, Name = "pcpu-xfrm" };
        _listening.Start();
    }

    /// <summary>
    /// No state was found though there is a fallback: it may be gone, deleted by somebody else, which the kernel tells only
    /// together with keys. Once a second at most.
    /// </summary>
    private void CheckFallback(KernelConnection connection)
    {
        DateTimeOffset now = _options.Clock.GetUtcNow();
        if (now - connection.FallbackCheckedAt < _retryPause)
            return;
        connection.FallbackCheckedAt = now;
        if (_sas.Values.Any(s => s.IsFallback && s.State.RequestId == connection.RequestId && _xfrm.FindState(s.State.Id) is null))
            Resynchronize();
    }

    private void Take(XfrmExpire expire)
    {
        if (!_sas.TryGetValue(expire.State.State.Id, out InstalledSa? sa))
            return;
        if (!expire.Hard && sa is { Direction: SaDirection.Inbound, UseReported: false })
        {
            InboundCameIntoUse(sa);
            return;
        }
        // What was on its way when an inbound one got its own limits is no news.
        if (!expire.Hard && (sa.SoftReported || (sa.Direction == SaDirection.Inbound && !IsReached(sa.State.Limits, expire.State.Counters))))
            return;
        sa.SoftReported = true;
        // First: what the kernel may refuse must not keep it from being told.
        _events.Writer.TryWrite(new SaExpired(sa.Direction, sa.State.Spi, sa.State.Destination, expire.Hard));
        if (expire.Hard)
            Gone(sa);
        else if (sa.Direction == SaDirection.Outbound)
            KeepAlive(sa);
    }

    /// <summary>
    /// What has reached a soft limit is dying to the kernel, which prefers every other state to it: the fallback to a CPU's own
    /// SA, and a new fallback before it is remembered. Without the limit, which was told, it is as it was.
    /// </summary>
    private void KeepAlive(InstalledSa sa)
        => WithoutKeys(sa.Suite, (encryption, integrity) => _xfrm.UpdateState(
            sa.State with { Limits = sa.State.Limits with { SoftBytes = null, SoftPackets = null, SoftTime = null } }, sa.Suite, encryption, integrity));

    /// <summary>Of times it is only known that there is a limit.</summary>
    private static bool IsReached(XfrmLimits limits, XfrmCounters counters)
        => counters.Bytes >= limits.SoftBytes || counters.Packets >= limits.SoftPackets || limits.SoftTime is not null;

    private void Gone(InstalledSa sa)
    {
        _sas.Remove(sa.State.Id);
        sa.Dispose();
        if (sa.IsFallback && _connections.TryGetValue(sa.State.RequestId, out KernelConnection? connection))
            Refresh(connection);
    }

    /// <summary>Reads what the lost events may have said: policies and SAs that are gone, SAs that reached a limit, acquires that wait.</summary>
    private void Resynchronize()
    {
        PutBackPolicies(_xfrm.Policies());
        var there = new Dictionary<XfrmStateId, XfrmInstalledState>();
        foreach (XfrmInstalledState state in _xfrm.States())
        {
            if (state.State.Spi != 0)
                there[state.State.Id] = state;
            else if (state.State.Selector is { } trigger && _connections.TryGetValue(state.State.RequestId, out KernelConnection? connection))
                Raise(connection, state.State.Cpu, trigger, state.State);
        }
        foreach (InstalledSa sa in _sas.Values.ToArray())
        {
            if (!there.TryGetValue(sa.State.Id, out XfrmInstalledState? state))
            {
                Gone(sa);
                _events.Writer.TryWrite(new SaExpired(sa.Direction, sa.State.Spi, sa.State.Destination, Hard: true));
            }
            else if (sa is { Direction: SaDirection.Inbound, UseReported: false } && state.Counters.Packets > 0)
            {
                InboundCameIntoUse(sa);
            }
            else if (!sa.SoftReported && IsReached(sa.State.Limits with { SoftTime = null }, state.Counters))
            {
                sa.SoftReported = true;
                _events.Writer.TryWrite(new SaExpired(sa.Direction, sa.State.Spi, sa.State.Destination, Hard: false));
            }
        }
    }

    private bool HasFallback(KernelConnection connection) => _sas.Values.Any(s => s.IsFallback && s.State.RequestId == connection.RequestId);

    private bool HasOwn(KernelConnection connection, int cpu)
        => _sas.Values.Any(s => s.Direction == SaDirection.Outbound && s.State.Cpu == cpu && s.State.RequestId == connection.RequestId);

    /// <summary>
    /// Has packets look for their SA anew: the kernel keeps with each socket and with each policy what it found last and does
    /// not take an SA that is added for a CPU into account. Where the policies do not remember the fallback it is sockets alone
    /// that keep to it, until a state comes that is like it (xfrm_state_bump_genids): one that fits no packet is enough. Else a
    /// policy that is written, though it is the same, forgets; but that makes all routes of the namespace anew, and a packet that
    /// is being forwarded by one that another CPU replaces at that moment is dropped (XfrmFwdHdrError).
    /// </summary>
    private void LookUpAnew(KernelConnection connection)
    {
        InstalledSa[] fallbacks = [.. _sas.Values.Where(s => s.IsFallback && s.State.RequestId == connection.RequestId)];
        if (fallbacks.Length > 0 && fallbacks.All(f => f.Remembered is not null))
        {
            StandInFor(fallbacks[^1]);
            return;
        }
        foreach (XfrmPolicy policy in connection.Policies.Where(p => p.Direction == XfrmPolicyDirection.Out))
            Write(connection, policy);
    }

    /// <summary>As the kernel is to have it now.</summary>
    private void Write(KernelConnection connection, XfrmPolicy policy)
        => _xfrm.UpdatePolicy(policy with { Flags = connection.FlagIsSet && policy is { Direction: XfrmPolicyDirection.Out, Templates.Count: > 0 } ? XfrmPolicyFlags.CpuAcquire : XfrmPolicyFlags.None });

    /// <summary>For a moment a state like the fallback, whose selector no packet has: there is no sender of that name.</summary>
    private void StandInFor(InstalledSa fallback)
    {
        // Of the outer family, which transport mode demands (__xfrm_init_state).
        XfrmPrefix nobody = XfrmPrefix.Host(XfrmAddress.FamilyOf(fallback.State.Destination) == XfrmAddress.IPv6 ? _allNodes : IPAddress.Broadcast);
        XfrmState standIn = fallback.State with
        {
            Spi = KernelIds.StandInSpi,
            Selector = new XfrmSelector { Source = nobody, Destination = nobody },
            Flags = fallback.State.Flags & ~XfrmStateFlags.AfUnspec,
            Limits = XfrmLimits.None,
        };
        try
        {
            Add();
        }
        catch (NetlinkException e) when (e.Errno == Libc.EEXIST)
        {
            // A process that was killed here left it, perhaps of a tunnel that nobody has any more.
            _xfrm.DeleteState(standIn.Id);
            Add();
        }
        _xfrm.DeleteState(standIn.Id);

        void Add() => WithoutKeys(fallback.Suite, (encryption, integrity) => _xfrm.AddState(standIn, fallback.Suite, encryption, integrity));
    }
}
