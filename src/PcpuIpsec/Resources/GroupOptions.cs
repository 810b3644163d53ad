namespace PcpuIpsec.Resources;

/// <summary>What a group of Child SAs may and should do.</summary>
internal sealed record GroupOptions
{
    /// <summary>Validates the options.</summary>
    /// <param name="cpus">The CPUs that get an outbound SA of their own; empty for a connection with one ordinary Child SA.</param>
    /// <param name="limit">Most per-CPU Child SAs, whoever asked for them, the fallback not counted; 0 is twice as many as CPUs (RFC 9611 §6).</param>
    /// <param name="onDemand">Create them on acquire and not all at once.</param>
    /// <param name="idleTime">Per-CPU Child SAs that nobody uses for so long are deleted; null: never.</param>
    /// <exception cref="PcpuIpsecException">A CPU is negative or listed twice, or the limit is negative.</exception>
    public GroupOptions(IReadOnlyList<int> cpus, int limit = 0, bool onDemand = false, TimeSpan? idleTime = null)
    {
        int[] sorted = [.. cpus];
        Array.Sort(sorted);
        for (int i = 0; i < sorted.Length; i++)
        {
            if (sorted[i] < 0)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"Cpus: {sorted[i]} is not a CPU; 0 and above are.");
            if (i > 0 && sorted[i] == sorted[i - 1])
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"Cpus: {sorted[i]} is listed twice; once is allowed.");
        }

        if (limit < 0)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"MaxChildSas: {limit} is not a number of Child SAs; 0 and above are.");
        Cpus = sorted;
        Limit = limit == 0 ? 2 * sorted.Length : limit;
        OnDemand = onDemand;
        IdleTime = idleTime;
    }

    /// <summary>In ascending order.</summary>
    public IReadOnlyList<int> Cpus { get; }

    public int Limit { get; }

    public bool OnDemand { get; }

    public TimeSpan? IdleTime { get; }
}
