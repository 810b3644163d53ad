namespace PcpuIpsec.Resources;

/// <summary>The responder of a CREATE_CHILD_SA with SA_RESOURCE_INFO: whether, and for which CPU (RFC 9611 §4).</summary>
internal sealed partial class ChildSaGroup
{
    private readonly List<Reservation> _reservations = [];

    private sealed record Reservation(CpuState? Cpu, int? InboundCpu, TimeSpan At);

    /// <summary>
    /// The peer asks for a Child SA with SA_RESOURCE_INFO (not a rekey: that is never refused). Unless refused, the place is reserved
    /// until <see cref="ChildUp"/>, or <see cref="PlacementFailed"/> where the exchange did not succeed.
    /// </summary>
    public Placement Place(TimeSpan now)
    {
        if (!_up || !_perResource)
            return new Placement(Refused: true, Cpu: null);

        int standing = _children.Count - _fallbacks.Count + _reservations.Count;
        int leaving = _children.Values.Count(c => c.Leaving && !c.IsFallback);
        if (standing - leaving >= _options.Limit)
            return new Placement(Refused: true, Cpu: null);
        if (standing + CountPending() >= _options.Limit)
            return new Placement(Refused: true, Cpu: null, Temporary: true);

        CpuState? free = LeastLoaded(_cpus.Where(c => c.IsMissing));
        CpuState? inbound = free ?? LeastLoaded(_cpus.Where(c => c.Online));
        if (free is not null)
            free.Reserved++;
        _reservations.Add(new Reservation(free, inbound?.Number, now));
        _lastActivity = now;
        Evaluate(now);
        return new Placement(Refused: false, free?.Number, inbound?.Number);
    }

    /// <summary>Gives up a reservation of <see cref="Place"/>.</summary>
    public void PlacementFailed(Placement placement, TimeSpan now)
    {
        int index = placement.Refused ? -1 : _reservations.FindIndex(r => r.Cpu?.Number == placement.Cpu && r.InboundCpu == placement.InboundCpu);
        if (index >= 0)
            Release(index);
        Evaluate(now);
    }

    /// <summary>The reservation that a Child SA used: one for its CPU, else the oldest, since it may have been placed otherwise.</summary>
    private Reservation? TakeReservation(int? cpu)
    {
        if (_reservations.Count == 0)
            return null;
        int index = Math.Max(0, _reservations.FindIndex(r => r.Cpu?.Number == cpu));
        return Release(index);
    }

    private Reservation Release(int index)
    {
        Reservation reservation = _reservations[index];
        _reservations.RemoveAt(index);
        if (reservation.Cpu is { } cpu)
            cpu.Reserved--;
        return reservation;
    }

    /// <summary>The CPU with the fewest Child SAs, those under way included; the lowest number of several.</summary>
    private CpuState? LeastLoaded(IEnumerable<CpuState> among)
    {
        Dictionary<int, int> load = [];
        foreach (GroupChild child in _children.Values)
            Count(child.InboundCpu ?? child.Cpu?.Number);
        foreach (Reservation reservation in _reservations)
            Count(reservation.InboundCpu);
        foreach (CpuState cpu in _cpus)
            Count(cpu.PendingSince is null ? null : cpu.Number);
        return among.MinBy(c => load.GetValueOrDefault(c.Number));

        void Count(int? cpu)
        {
            if (cpu is { } number)
                load[number] = load.GetValueOrDefault(number) + 1;
        }
    }

    private int CountPending() => _cpus.Count(c => c.PendingSince is not null);
}
