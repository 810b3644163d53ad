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

    /// <summary>
    /// A CPU's Child SA that neither end has used for this long is deleted, and made again when it is needed: 5 s to 1 day;
    /// null, the default: never. The peer is best given the same.
    /// </summary>
    public TimeSpan? IdleTime { get; init; }

    /// <summary>
    /// Put ESP in UDP, each SA from a source port of its own (49152 to 65535, by chance), the fallback too, so that the peer's
    /// NIC spreads them over its queues by the ports alone; take the peer's from any port. Nothing of it is negotiated: a peer
    /// must accept any source port, as strongSwan does with <c>per_cpu_sas = encap</c>. Default: false.
    /// </summary>
    public bool SourcePortPerSa { get; init; }
}
