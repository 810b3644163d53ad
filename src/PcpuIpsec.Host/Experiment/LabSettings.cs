using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Host.Experiment;

/// <summary>What the lab is asked to do, checked.</summary>
internal sealed record LabSettings
{
    /// <summary>The CPUs that get a Child SA and a flow each.</summary>
    public required IReadOnlyList<int> Cpus { get; init; }
    public required DataPlaneKind DataPlane { get; init; }
    public required IpsecMode Mode { get; init; }
    public required bool Encapsulation { get; init; }
    public required TrafficProtocol Protocol { get; init; }
    public required int Seconds { get; init; }
    public required int Repeat { get; init; }
    public required string OutputDirectory { get; init; }

    /// <summary>How many flows the runs have: each number up to 8, then doubling, and one for each CPU.</summary>
    public IReadOnlyList<int> FlowCounts
    {
        get
        {
            var counts = new List<int>();
            for (int flows = 1; flows < Cpus.Count; flows = flows < 8 ? flows + 1 : flows * 2)
                counts.Add(flows);
            counts.Add(Cpus.Count);
            return counts;
        }
    }
}
