namespace PcpuIpsec.Resources;

/// <summary>
/// Both ends asked at the same time and each made Child SAs for CPUs that the other's would have served (RFC 9611 §4). Once it is
/// quiet the original responder deletes of its own ones as many as crossed with the peer's. The initiator never does, the
/// responder only ever has fewer to delete, and none is deleted that a CPU here needs: so it ends.
/// </summary>
internal sealed partial class ChildSaGroup
{
    private void Settle(TimeSpan now)
    {
        if (_weInitiated)
            return;
        GroupChild? fallback = _fallbacks.Count(f => !f.Leaving) > 1 && _fallbacks.Exists(f => !f.InitiatedByUs)
            ? _fallbacks.Find(f => f.InitiatedByUs && !f.Leaving)
            : null;
        int excess = _children.Values.Count(c => !c.IsFallback && !c.Leaving) - _cpus.Length;
        List<GroupChild> duplicates = excess > 0 ? FindDuplicates() : [];
        if ((fallback is null && duplicates.Count == 0) || IsBusy())
            return;

        TimeSpan quiet = _lastActivity + GroupTimes.Settle;
        if (now < quiet)
        {
            Wait(quiet);
            return;
        }

        if (fallback is not null)
            Leave(fallback);
        foreach (GroupChild duplicate in duplicates)
        {
            if (excess == 0)
                break;
            if (duplicate.Cpu is { } cpu)
            {
                // In use here: the peer's takes over first.
                if (FindSurplus(cpu, used: false) is not { } successor)
                    continue;
                duplicate.Cpu = null;
                Bind(successor, cpu);
            }

            Leave(duplicate);
            excess--;
        }
    }

    /// <summary>
    /// Ours that crossed with one of the peer's, which it asked for while ours was under way: it did not know of ours, and its CPU
    /// has its own. A request that was on its way when ours was answered comes up to an exchange's time later. One for one; those
    /// skipped here first.
    /// </summary>
    private List<GroupChild> FindDuplicates()
    {
        List<GroupChild> duplicates = [];
        List<GroupChild> peers = [.. _children.Values.Where(c => !c.IsFallback && !c.InitiatedByUs && !c.Leaving)];
        foreach (GroupChild ours in _children.Values.Where(c => !c.IsFallback && c.InitiatedByUs && !c.Leaving).OrderBy(c => c.Cpu is not null))
        {
            int index = peers.FindIndex(p => p.RequestedAt >= ours.RequestedAt && p.RequestedAt <= ours.UpAt + _longestExchange);
            if (index < 0)
                continue;
            peers.RemoveAt(index);
            duplicates.Add(ours);
        }

        return duplicates;
    }

    private bool IsBusy() => _reservations.Count > 0 || _cpus.Any(c => c.PendingSince is not null || c.Incoming is not null);

    private void Leave(GroupChild child, bool idle = false)
    {
        child.Leaving = true;
        _actions.Add(new DeleteChild(child.Number, idle));
    }
}
