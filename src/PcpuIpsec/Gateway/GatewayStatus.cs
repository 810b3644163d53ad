namespace PcpuIpsec.Gateway;

/// <summary>A gateway at one moment.</summary>
public sealed record GatewayStatus
{
    /// <summary>The data plane at work: <c>embedded</c> or <c>kernel</c>.</summary>
    public required string DataPlane { get; init; }

    /// <summary>Why it is that one.</summary>
    public required string DataPlaneReason { get; init; }

    /// <summary>The CPUs that the data plane works on.</summary>
    public required IReadOnlyList<int> Cpus { get; init; }

    /// <summary>One a tunnel, in the order added.</summary>
    public required IReadOnlyList<TunnelStatus> Tunnels { get; init; }

    /// <summary>Counters of IKE since the start, by name; from the protocol and from the sockets (<c>Edge…</c>).</summary>
    public required IReadOnlyDictionary<string, long> IkeCounters { get; init; }

    /// <summary>Packets that the data plane dropped since its start, by reason, in the kernel's names where it has one (<c>/proc/net/xfrm_stat</c>).</summary>
    public required IReadOnlyDictionary<string, long> DropCounters { get; init; }
}
