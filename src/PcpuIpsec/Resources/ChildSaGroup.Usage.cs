namespace PcpuIpsec.Resources;

/// <summary>
/// Child SAs that neither end uses go (RFC 9611 §6 leaves that to either), and come back when they are needed. On demand the
/// CPU's next packet says so; else all that shows is that the fallback carries packets, and not of which CPU.
/// </summary>
internal sealed partial class ChildSaGroup
{
    private bool _usageAsked;
    private TimeSpan _nextUsage;

    /// <summary>How many CPUs are tried at the next sign that one needs its Child SA back.</summary>
    private int _returning = 1;

    /// <summary>The answer to <see cref="ReadUsage"/>: what was carried since each has its present keys; those that are missing are left as they are.</summary>
    public void Usage(IReadOnlyList<ChildUsage> usage, TimeSpan now)
    {
        if (!_usageAsked || _options.IdleTime is not { } idleTime)
            return;
        _usageAsked = false;
        bool fallbackSends = false;
        foreach (ChildUsage seen in usage)
        {
            if (!_children.TryGetValue(seen.Number, out GroupChild? child) || !child.Take(seen, now))
                continue;
            fallbackSends |= child.IsFallback && child.SentNow;
        }

        foreach (GroupChild child in _children.Values.Where(c => !c.IsFallback && !c.Leaving && c.MovingTo is null && now - c.LastUsed >= idleTime))
            Leave(child, idle: true);
        BringBack(fallbackSends, now);
        _nextUsage = now + UsageInterval(idleTime);
        Evaluate(now);
    }

    private void WatchUsage(TimeSpan now)
    {
        if (_usageAsked || _options.IdleTime is not { } idleTime)
            return;
        if (_children.Count == _fallbacks.Count && !_cpus.Any(c => c.IsIdle))
        {
            _nextUsage = default;
            return;
        }

        if (_nextUsage == default)
            _nextUsage = now + UsageInterval(idleTime);
        if (_nextUsage <= now)
        {
            _usageAsked = true;
            _actions.Add(new ReadUsage());
        }
        else
        {
            Wait(_nextUsage);
        }
    }

    private TimeSpan UsageInterval(TimeSpan idleTime)
    {
        TimeSpan part = idleTime / 4;
        TimeSpan most = _cpus.Any(c => c.IsIdle) ? GroupTimes.ReturnInterval : GroupTimes.UsageMost;
        return part < GroupTimes.UsageLeast ? GroupTimes.UsageLeast : part < most ? part : most;
    }

    /// <summary>Twice as many each time that it did not help, those first that sent last: so the right one comes soon, and few come in vain.</summary>
    private void BringBack(bool fallbackSends, TimeSpan now)
    {
        if (!fallbackSends)
        {
            _returning = 1;
            return;
        }

        int returned = 0;
        foreach (CpuState cpu in _cpus.Where(c => c.IsIdle && c.IsMissing && now >= c.ReturnNotBefore).OrderByDescending(c => c.LastSent).Take(_returning))
        {
            (cpu.IsIdle, cpu.Returned) = (false, true);
            returned++;
        }

        if (returned > 0)
            _returning = Math.Min(2 * _returning, _cpus.Length);
    }

    /// <summary>The Child SA went because nobody used it. One that came back and was never sent with came in vain: the next time it waits longer.</summary>
    private void WentIdle(CpuState cpu, GroupChild child, TimeSpan now)
    {
        cpu.IsIdle = !_options.OnDemand;
        if (child.LastSent is { } sent)
            (cpu.LastSent, cpu.VainReturns) = (sent, 0);
        else if (cpu.Returned)
            cpu.ReturnNotBefore = now + Backoff(GroupTimes.ReturnBase, GroupTimes.ReturnCap, ++cpu.VainReturns);
        cpu.Returned = false;
    }

    private bool IsIdle(GroupChild child, bool deletedByPeer, TimeSpan now)
        => _options.IdleTime is { } idleTime && (deletedByPeer ? now - child.LastUsed >= idleTime / 2 : child.Leaving && now - child.LastUsed >= idleTime);
}
