using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// Acquires by CPU: the flag has the kernel drop what a CPU without an SA of its own sends after the packet that raised the
/// acquire, and a pending one holds up other CPUs too. So the flag is there only while nothing is being acquired: an acquire is
/// taken back at once and the flag off until the CPU has its SA; meanwhile the fallback carries all.
/// </summary>
internal sealed partial class KernelDataPlane
{
    /// <summary>What was dropped between an acquire and the moment at which the flag was off again.</summary>
    public const string LostToAcquires = "LostToAcquires";

    private int _armed;
    private long _lost;
    private long _noStatesWhenArmed;

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
