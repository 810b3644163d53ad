using PcpuIpsec.Ike;

namespace PcpuIpsec.Resources;

/// <summary>What comes and goes: keeps the Child SAs, the CPUs and the back-offs true.</summary>
internal sealed partial class ChildSaGroup
{
    private readonly List<GroupChild> _fallbacks = [];
    private TimeSpan? _fallbackPendingSince;
    private TimeSpan _fallbackNotBefore;
    private int _fallbackFailures;

    /// <summary>Whether IKE_AUTH brought one is not told yet.</summary>
    private bool _awaitsFirst;
    private int _fallbackLosses;

    /// <summary>The peer refused a Child SA: no request before this time, and then one at a time.</summary>
    private TimeSpan _refusedUntil;
    private int _refusals;
    private bool _probing;

    /// <summary>The longest that a request of ours took that was granted.</summary>
    private TimeSpan _longestExchange;

    private void AddFallback(ChildSaInfo child, TimeSpan now)
    {
        if (child.InitiatedByUs)
            _fallbackPendingSince = null;
        _fallbackFailures = 0;
        _awaitsFirst = false;
        GroupChild fallback = new(child.Number, isFallback: true, child.InitiatedByUs) { RequestedAt = now, UpAt = now };
        _fallbacks.Add(fallback);
        _children.Add(child.Number, fallback);
    }

    private void AddPerCpu(ChildSaInfo child, TimeSpan now)
    {
        TimeSpan requestedAt = now;
        int? inboundCpu = child.Cpu;
        if (child.InitiatedByUs)
        {
            CpuState? asked = child.Cpu is { } number ? Find(number) : _cpus.Where(c => c.PendingSince is not null).MinBy(c => c.PendingSince);
            if (asked?.PendingSince is { } since)
            {
                requestedAt = since;
                inboundCpu = asked.Number;
                asked.PendingSince = null;
                asked.Failures = 0;
                _longestExchange = now - since > _longestExchange ? now - since : _longestExchange;
            }
        }
        else if (TakeReservation(child.Cpu) is { } reservation)
        {
            requestedAt = reservation.At;
            inboundCpu = reservation.InboundCpu;
        }

        GroupChild added = new(child.Number, isFallback: false, child.InitiatedByUs)
        {
            RequestedAt = requestedAt,
            UpAt = now,
            InboundCpu = inboundCpu,
            OutboundUsed = child.OutboundInstalled,
        };
        _children.Add(added.Number, added);
        Attach(added, child.Cpu);
    }

    /// <summary>The Child SA's outbound half is bound to the CPU: the newer one is what a data plane uses where there are two.</summary>
    private void Attach(GroupChild child, int? number)
    {
        if (number is null)
            return;
        child.OutboundUsed = true;
        if (Find(number.Value) is not { } cpu)
            return;
        if (!cpu.Online)
        {
            _actions.Add(new UnbindOutbound(child.Number));
            return;
        }

        if (cpu.Outbound is { } older)
        {
            Detach(older);
            _actions.Add(new UnbindOutbound(older.Number));
        }

        cpu.Outbound = child;
        child.Cpu = cpu;
        cpu.IsIdle = false;
        cpu.Failures = 0;
        cpu.Unwant();
    }

    private void Detach(GroupChild child)
    {
        if (child.Cpu is { } cpu)
            cpu.Outbound = null;
        if (child.MovingTo is { } target)
            target.Incoming = null;
        child.Cpu = null;
        child.MovingTo = null;
        _fallbacks.Remove(child);
    }

    private void FallbackGone(GroupChild fallback, TimeSpan now)
    {
        Detach(fallback);
        _fallbackLosses = now - fallback.UpAt >= GroupTimes.FallbackCap ? 1 : _fallbackLosses + 1;
        _fallbackNotBefore = now + OneEndFirst(Backoff(GroupTimes.FallbackBase, GroupTimes.FallbackCap, _fallbackLosses));
    }

    private void FallbackFailed(TimeSpan now)
    {
        if (_awaitsFirst)
        {
            _awaitsFirst = false;
            _fallbackNotBefore = now + OneEndFirst(GroupTimes.FallbackGrace);
        }
        if (_fallbackPendingSince is null)
            return;
        _fallbackPendingSince = null;
        _fallbackFailures++;
        _fallbackNotBefore = now + OneEndFirst(Backoff(GroupTimes.FallbackBase, GroupTimes.FallbackCap, _fallbackFailures));
    }

    private void PerCpuGone(GroupChild child, bool deletedByPeer, TimeSpan now)
    {
        CpuState? cpu = child.Cpu ?? child.MovingTo;
        Detach(child);

        // Where the peer refused more, there may be room now.
        _refusals = 0;
        _refusedUntil = now;
        if (cpu is null)
            return;
        if (IsIdle(child, deletedByPeer, now))
        {
            WentIdle(cpu, child, now);
            return;
        }

        cpu.Losses = now - child.UpAt >= GroupTimes.LossForgotten ? 1 : cpu.Losses + 1;

        // On demand a packet has to ask for it first, so only a repetition is a loop.
        int repeated = _options.OnDemand ? cpu.Losses - 1 : cpu.Losses;
        TimeSpan start = deletedByPeer ? GroupTimes.LossBase : GroupTimes.LossBase / 5;
        if (repeated > 0)
            Delay(cpu, now + Backoff(start, GroupTimes.LossCap, repeated));
    }

    private void PerCpuFailed(CpuState cpu, CreateFailure reason, TimeSpan now)
    {
        bool moving = cpu.PendingSince is null;
        if (moving && cpu.Incoming is null)
            return;
        cpu.PendingSince = null;
        if (cpu.Incoming is { } child)
            Detach(child);

        if (!moving && reason is CreateFailure.TsMaxQueue or CreateFailure.NoAdditionalSas)
        {
            cpu.Unwant();
            Refused(now);
            return;
        }

        cpu.Failures++;
        bool temporary = reason == CreateFailure.Temporary;
        Delay(cpu, now + (temporary
            ? OneEndFirst(Backoff(GroupTimes.TemporaryBase, GroupTimes.TemporaryCap, cpu.Failures))
            : Backoff(GroupTimes.OtherBase, GroupTimes.OtherCap, cpu.Failures)));
        if (!temporary || cpu.Failures >= GroupTimes.AcquireTries)
            cpu.Unwant();
    }

    private void Refused(TimeSpan now)
    {
        _probing = true;

        // Several requests were in flight: their refusals are one.
        if (now < _refusedUntil)
            return;
        _refusals++;
        _refusedUntil = now + Backoff(GroupTimes.RefusedBase, GroupTimes.RefusedCap, _refusals);
    }

    private void WentOffline(CpuState cpu, TimeSpan now)
    {
        cpu.Flaps = cpu.WentOffline is { } before && now - before < GroupTimes.FlapWindow ? cpu.Flaps + 1 : 0;
        cpu.WentOffline = now;
        if (cpu.Flaps > 0)
            Delay(cpu, now + Backoff(GroupTimes.FlapBase, GroupTimes.FlapCap, cpu.Flaps));
        cpu.Unwant();
        if (cpu.Outbound is { } child)
        {
            Detach(child);
            _actions.Add(new UnbindOutbound(child.Number));
        }
    }

    private static void Delay(CpuState cpu, TimeSpan until)
    {
        if (cpu.NotBefore < until)
            cpu.NotBefore = until;
    }

    /// <summary>What both ends may want at the same time, the original responder wants later.</summary>
    private TimeSpan OneEndFirst(TimeSpan time) => _weInitiated ? time : time * 5;
}
