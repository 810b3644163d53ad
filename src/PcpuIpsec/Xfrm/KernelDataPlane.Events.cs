using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// What the kernel says of its own accord. Acquires by CPU: the flag has the kernel drop what a CPU without an SA of its own
/// sends after the packet that raised the acquire, and a pending one holds up other CPUs too. So the flag is there only while
/// nothing is being acquired: an acquire is taken back at once and the flag off until the CPU has its SA; meanwhile the
/// fallback carries all.
/// </summary>
internal sealed partial class KernelDataPlane
{
    /// <summary>What was dropped between an acquire and the moment at which the flag was off again.</summary>
    public const string LostToAcquires = "LostToAcquires";

    private static readonly TimeSpan _retryPause = TimeSpan.FromSeconds(1);
    private static readonly IPAddress _allNodes = IPAddress.Parse("ff02::1");

    private int _armed;
    private long _lost;
    private long _noStatesWhenArmed;
    private ITimer? _retry;

    public ValueTask AllowAcquiresAsync(string connection, bool allowed, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            KernelConnection known = Required(connection);
            known.AcquiresAllowed = allowed;
            if (!allowed)
                EndPause(known);
            Refresh(known);
            if (!allowed && known.Policy.AcquirePerCpu)
                TakeBackAll(known);
            return ValueTask.CompletedTask;
        }
    }

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
            foreach (KernelConnection connection in _connections.Values)
            {
                // Each for itself: what the kernel goes on to refuse for one keeps the others from nothing.
                OrLater(() =>
                {
                    // Also those that are there: one may have been left as it is for a moment only.
                    foreach (XfrmPolicy policy in connection.Held)
                        Write(connection, policy);
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

    private void Take(XfrmAcquire acquire)
    {
        if (acquire.Template is not { } template || !_connections.TryGetValue(template.RequestId, out KernelConnection? connection))
            return;
        Raise(connection, acquire.Cpu, acquire.Trigger, new XfrmState
        {
            Spi = 0,
            Source = acquire.Source,
            Destination = acquire.Destination,
            Mode = template.Mode,
            RequestId = template.RequestId,
            InterfaceId = acquire.Policy.InterfaceId,
            Sequence = acquire.Sequence,
            Cpu = acquire.Cpu,
        });
    }

    private void Raise(KernelConnection connection, int? cpu, XfrmSelector trigger, XfrmState placeholder)
    {
        if (cpu is { } number)
        {
            // First the flag: what is taken back would else be raised again by the next packet.
            connection.Acquiring.Add(number);
            Refresh(connection);
            TakeBack(placeholder);
            connection.Resume ??= _options.Clock.CreateTimer(_ => ResumeAfterPause(connection), null, connection.Pause, Timeout.InfiniteTimeSpan);
            if (HasOwn(connection, number))
            {
                Answered(connection, number);
                return;
            }
        }
        else if (HasFallback(connection))
        {
            CheckFallback(connection);
            // Outside what the fallback was negotiated for. Its placeholder would hold up CPUs where these acquire.
            if (connection.Policy.AcquirePerCpu)
                TakeBack(placeholder);
            return;
        }
        // There was no SA at all: the placeholder paces the kernel's asking until one takes its place.
        (TrafficSelector local, TrafficSelector remote) = trigger.ToTrafficSelectors();
        _events.Writer.TryWrite(new AcquireRaised(connection.Policy.Connection, cpu, local, remote));
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

    /// <summary>An outbound SA is there that was not; <paramref name="replaces"/>: beside one of the same CPU, which goes now.</summary>
    private void OutboundChanged(KernelConnection connection, int? cpu, bool replaces)
    {
        if (cpu is { } number)
        {
            connection.ResetPause();
            Answered(connection, number);
            if (!replaces)
                LookUpAnew(connection);
        }
        else
        {
            // It took the place of one placeholder; where several CPUs sent before it, there are more. Without the flag they hold up
            // nothing that the fallback carries.
            if (connection.Policy.AcquirePerCpu)
                TakeBackAll(connection);
            Refresh(connection);
        }
    }

    private void Answered(KernelConnection connection, int cpu)
    {
        if (connection.Acquiring.Remove(cpu) && connection.Acquiring.Count == 0)
            EndPause(connection);
        Refresh(connection);
    }

    private void ResumeAfterPause(KernelConnection connection)
    {
        lock (_lock)
        {
            if (_disposed || !_connections.ContainsValue(connection))
                return;
            connection.LengthenPause();
            EndPause(connection);
            OrLater(() => Refresh(connection));
        }
    }

    private static void EndPause(KernelConnection connection)
    {
        connection.Acquiring.Clear();
        connection.Resume?.Dispose();
        connection.Resume = null;
    }

    private bool HasFallback(KernelConnection connection) => _sas.Values.Any(s => s.IsFallback && s.State.RequestId == connection.RequestId);

    private bool HasOwn(KernelConnection connection, int cpu)
        => _sas.Values.Any(s => s.Direction == SaDirection.Outbound && s.State.Cpu == cpu && s.State.RequestId == connection.RequestId);

    /// <summary>The flag as it should be now.</summary>
    private void Refresh(KernelConnection connection)
    {
        bool wanted = _support.PerCpu && connection is { AcquiresAllowed: true, Policy.AcquirePerCpu: true, Acquiring.Count: 0 } && HasFallback(connection);
        if (wanted != connection.FlagIsSet)
            SetFlag(connection, wanted);
    }

    private void SetFlag(KernelConnection connection, bool value)
    {
        if (connection.FlagIsSet == value)
            return;
        if (value && _armed == 0)
            _noStatesWhenArmed = NoStates(_host.Statistics());
        foreach (XfrmPolicy policy in connection.Policies.Where(p => p.Direction == XfrmPolicyDirection.Out))
            _xfrm.UpdatePolicy(policy with { Flags = value ? XfrmPolicyFlags.CpuAcquire : XfrmPolicyFlags.None });
        if (value)
        {
            connection.FlagIsSet = true;
            _armed++;
        }
        else
            Disarm(connection);
    }

    /// <summary>The flag is off in the kernel: what was lost while it was on is counted.</summary>
    private void Disarm(KernelConnection connection)
    {
        if (!connection.FlagIsSet)
            return;
        IReadOnlyDictionary<string, long> now = _host.Statistics();
        _lost = CountLost(now);
        _noStatesWhenArmed = NoStates(now);
        connection.FlagIsSet = false;
        _armed--;
    }

    private long CountLost(IReadOnlyDictionary<string, long> now) => _armed == 0 ? _lost : _lost + NoStates(now) - _noStatesWhenArmed;

    private static long NoStates(IReadOnlyDictionary<string, long> statistics)
        => statistics.GetValueOrDefault("XfrmOutNoStates") + statistics.GetValueOrDefault("XfrmAcquireError");

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

    private void TakeBackAll(KernelConnection connection)
    {
        foreach (XfrmInstalledState state in _xfrm.States().Where(s => s.State.Spi == 0 && s.State.RequestId == connection.RequestId))
            TakeBack(state.State);
    }

    /// <summary>
    /// Deletes an acquire's placeholder. It has no SPI, by which alone the kernel finds what it is to delete: so it gets one.
    /// </summary>
    private void TakeBack(XfrmState placeholder)
    {
        try
        {
            uint spi = _xfrm.AllocateSpi(placeholder with { Direction = null });
            _xfrm.DeleteState(new XfrmStateId(placeholder.Destination, spi));
        }
        catch (NetlinkException e)
        {
            KernelPlaneLog.AcquireLeft(_options.Logger, placeholder.ToString(), e.Message);
        }
    }
}
