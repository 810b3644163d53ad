namespace PcpuIpsec.Resources;

/// <summary>What is wanted now: the fallback, then a Child SA for every CPU that has none of its own.</summary>
internal sealed partial class ChildSaGroup
{
    private void Evaluate(TimeSpan now)
    {
        NextDeadline = null;
        AcquiresAllowed = false;
        if (!_up)
            return;
        GiveUpUnanswered(now);
        bool hasFallback = KeepFallback(now);
        if (!_perResource)
            return;
        BindSurplus();
        if (hasFallback)
        {
            CreateMissing(now);
            Settle(now);
            AcquiresAllowed = MayAcquire(now);
        }

        WatchUsage(now);
    }

    /// <summary>
    /// Packets of a CPU that has raised an acquire are lost until it is answered, and with it those of every CPU without an SA
    /// of its own. So none is raised while a request is under way or would have to wait: the fallback carries them all.
    /// </summary>
    private bool MayAcquire(TimeSpan now)
    {
        if (!_options.OnDemand || _reservations.Count > 0 || _cpus.Any(c => c.PendingSince is not null || c.Incoming is not null))
            return false;
        TimeSpan until = _strayUntil;
        bool room = _children.Count - _fallbacks.Count < _options.Limit;
        foreach (CpuState cpu in _cpus.Where(c => c.IsMissing))
        {
            bool move = _children.Values.Any(c => c.IsSurplus && c.OutboundUsed);
            if (!room && !move)
                return false;
            until = Later(until, cpu.NotBefore);
            if (!move)
                until = Later(until, _refusedUntil);
        }

        if (now >= until)
            return true;
        Wait(until);
        return false;

        static TimeSpan Later(TimeSpan one, TimeSpan other) => one > other ? one : other;
    }

    private void Wait(TimeSpan until)
    {
        if (NextDeadline is null || until < NextDeadline)
            NextDeadline = until;
    }

    /// <summary>Without RFC 9611 at the peer, whatever Child SA there is serves every CPU.</summary>
    private bool KeepFallback(TimeSpan now)
    {
        if (_fallbacks.Count > 0 || (!_perResource && _children.Count > 0))
            return true;
        if (_fallbackPendingSince is not null)
            return false;
        if (now < _fallbackNotBefore)
        {
            Wait(_fallbackNotBefore);
            return false;
        }

        _fallbackPendingSince = now;
        Wait(now + GroupTimes.Unanswered);
        _actions.Add(new CreateFallback());
        return false;
    }

    /// <summary>Outbound halves that were skipped cost no exchange. Those that were in use once need new keys: see <see cref="CreateMissing"/>.</summary>
    private void BindSurplus()
    {
        foreach (CpuState cpu in _cpus.Where(c => c.IsMissing))
        {
            if (FindSurplus(cpu, used: false) is not { } child)
                return;
            Bind(child, cpu);
        }
    }

    private void Bind(GroupChild child, CpuState cpu)
    {
        child.Cpu = cpu;
        child.OutboundUsed = true;
        cpu.Outbound = child;
        cpu.IsIdle = false;
        cpu.Unwant();
        _actions.Add(new BindOutbound(child.Number, cpu.Number));
    }

    /// <summary>Best one whose inbound half lands on the CPU already: the halves should stay a pair (RFC 9611 §6).</summary>
    private GroupChild? FindSurplus(CpuState cpu, bool used)
    {
        GroupChild? found = null;
        foreach (GroupChild child in _children.Values)
        {
            if (!child.IsSurplus || child.OutboundUsed != used)
                continue;
            if (child.InboundCpu == cpu.Number)
                return child;
            found ??= child;
        }

        return found;
    }

    private void CreateMissing(TimeSpan now)
    {
        bool canMove = _children.Values.Any(c => c.IsSurplus && c.OutboundUsed);
        int pending = CountPending();
        int room = _options.Limit - (_children.Count - _fallbacks.Count) - _reservations.Count - pending;
        bool missing = false;
        bool asked = false;
        foreach (CpuState cpu in _cpus.Where(c => c.IsMissing && (c.Wanted || !(_options.OnDemand || c.IsIdle))))
        {
            missing = true;
            if (now < cpu.NotBefore)
            {
                Wait(cpu.NotBefore);
            }
            else if (canMove && FindSurplus(cpu, used: true) is { } child)
            {
                Move(child, cpu, now);
                asked = true;
            }
            else if (room <= 0)
            {
                // Ours to say TS_MAX_QUEUE; a Child SA that goes away makes room.
            }
            else if (now < _refusedUntil)
            {
                Wait(_refusedUntil);
            }
            else if (HeldOff(cpu) is { } until && now < until)
            {
                Wait(until);
            }
            else if (!_probing || pending == 0)
            {
                cpu.PendingSince = now;
                pending++;
                room--;
                asked = true;
                Wait(now + GroupTimes.Unanswered);
                _actions.Add(new CreateForCpu(cpu.Number, cpu.TriggerLocal, cpu.TriggerRemote));
            }
        }

        _probing &= missing;
        if (asked)
            _lastActivity = now;
    }

    private void Move(GroupChild child, CpuState cpu, TimeSpan now)
    {
        child.MovingTo = cpu;
        child.MovingSince = now;
        cpu.Incoming = child;
        Wait(now + GroupTimes.Unanswered);
        _actions.Add(new MoveChild(child.Number, cpu.Number));
    }

    /// <summary>The original initiator goes first: what it creates serves our CPUs too. A packet that waits is not held off.</summary>
    private TimeSpan? HeldOff(CpuState cpu) => _weInitiated || cpu.Wanted ? null : _lastActivity + _holdOff;

    /// <summary>Every request is answered, or its IKE SA goes down; should one not be, it does not block its CPU for ever.</summary>
    private void GiveUpUnanswered(TimeSpan now)
    {
        if (Overdue(_fallbackPendingSince))
            FallbackFailed(now);
        foreach (CpuState cpu in _cpus)
        {
            if (Overdue(cpu.PendingSince) || Overdue(cpu.Incoming?.MovingSince))
                PerCpuFailed(cpu, CreateFailure.Temporary, now);
        }

        for (int i = _reservations.Count - 1; i >= 0; i--)
        {
            if (Overdue(_reservations[i].At))
                Release(i);
        }

        bool Overdue(TimeSpan? since)
        {
            if (since is not { } start)
                return false;
            TimeSpan end = start + GroupTimes.Unanswered;
            if (now >= end)
                return true;
            Wait(end);
            return false;
        }
    }
}
