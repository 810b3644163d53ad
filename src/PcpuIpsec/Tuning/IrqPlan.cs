using PcpuIpsec.Host;

namespace PcpuIpsec.Tuning;

/// <summary>Which CPUs the queues of an interface are given to.</summary>
internal enum IrqPolicy
{
    /// <summary>Queue by queue over all CPUs that are not isolated, one of each core first.</summary>
    Spread,

    /// <summary>The same over those of the NUMA node that the interface is at.</summary>
    NumaLocal,

    /// <summary>All to one.</summary>
    Single,
}

/// <summary>Where the IRQs of an interface are to go: one queue a CPU.</summary>
internal static class IrqPlan
{
    /// <summary>The CPUs in the order in which queues are given to them.</summary>
    /// <param name="policy">How.</param>
    /// <param name="cpus">The host's.</param>
    /// <param name="node">The interface's NUMA node; below 0 where it has none.</param>
    /// <param name="wanted">Those to choose from; null: all that are not isolated.</param>
    /// <exception cref="PcpuIpsecException">One of them is not online.</exception>
    public static IReadOnlyList<int> CpusOf(IrqPolicy policy, IReadOnlyList<CpuPlace> cpus, int node, IReadOnlyList<int>? wanted)
    {
        if (wanted is not null)
        {
            foreach (int cpu in wanted)
            {
                if (!cpus.Any(c => c.Cpu == cpu))
                    throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"CPU {cpu} is not online; allowed are {CpuList.Format(cpus.Select(c => c.Cpu))}.");
            }
            if (wanted.Count == 0)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"No CPU is given; allowed are {CpuList.Format(cpus.Select(c => c.Cpu))}.");
        }
        CpuPlace[] free = [.. cpus.Where(c => wanted?.Contains(c.Cpu) ?? !c.IsIsolated)];
        if (free.Length == 0)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "All CPUs are isolated; name those that IRQs may go to.");
        if (policy == IrqPolicy.NumaLocal && node >= 0)
        {
            CpuPlace[] local = [.. free.Where(c => c.Node == node)];
            free = local.Length > 0 ? local : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"None of CPU {CpuList.Format(free.Select(c => c.Cpu))} is at NUMA node {node}, where the interface is.");
        }
        // As they are numbered where they are chosen: whoever lists CPUs counts queues by them. Else a core's second thread comes last.
        IEnumerable<CpuPlace> ordered = wanted is null ? free.OrderBy(c => c.Siblings.ToList().IndexOf(c.Cpu)).ThenBy(c => c.Cpu) : free.OrderBy(c => wanted.ToList().IndexOf(c.Cpu));
        int[] order = [.. ordered.Select(c => c.Cpu)];
        return policy == IrqPolicy.Single ? [order[0]] : order;
    }
}
