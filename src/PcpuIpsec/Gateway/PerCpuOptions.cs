namespace PcpuIpsec.Gateway;

/// <summary>One Child SA per CPU (RFC 9611) for a tunnel.</summary>
public sealed record PerCpuOptions
{
    /// <summary>The CPUs that get a Child SA of their own; null: every CPU of the data plane.</summary>
    public IReadOnlyList<int>? Cpus { get; init; }

    /// <summary>Create a CPU's Child SA when that CPU first sends, and not all of them at once. Default: false.</summary>
    public bool OnDemand { get; init; }

    /// <summary>
    /// Most Child SAs for the tunnel's selectors, the fallback not counted, before the peer is answered TS_MAX_QUEUE
    /// (RFC 9611 §3.1): 1 to 16384; null: twice the number of CPUs.
    /// </summary>
    public int? MaxChildSas { get; init; }
}
