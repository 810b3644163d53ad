using PcpuIpsec.KernelTests.Guest;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>A flow of each CPU from sunset to sunrise, and one back.</summary>
internal sealed class TwoWayFlows
{
    private readonly List<UdpFlow> _flows = [];
    private readonly int _cpus;
    private FlowResult[] _results = [];

    private TwoWayFlows(int cpus) => _cpus = cpus;

    /// <summary>What was sent from sunset, a flow a CPU; once stopped.</summary>
    public IReadOnlyList<FlowResult> Eastward => _results[.._cpus];

    /// <summary>What was sent from sunrise, a flow a CPU; once stopped.</summary>
    public IReadOnlyList<FlowResult> Westward => _results[_cpus..];

    /// <summary>Begins to send.</summary>
    /// <param name="lab">Where.</param>
    /// <param name="cpus">The CPUs that send and receive.</param>
    /// <param name="rate">Datagrams a second of each flow.</param>
    /// <param name="ipv6">By IPv6.</param>
    public static TwoWayFlows Start(KernelLab lab, IReadOnlyList<int> cpus, int rate, bool ipv6 = false)
    {
        var flows = new TwoWayFlows(cpus.Count);
        flows._flows.AddRange(cpus.Select(cpu => UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu, rate, ipv6: ipv6)));
        flows._flows.AddRange(cpus.Select(cpu => UdpFlow.Start(lab.Sunrise, lab.Sunset, cpu, rate, ipv6: ipv6)));
        return flows;
    }

    public async Task StopAsync()
    {
        _results = await Task.WhenAll(_flows.Select(f => f.StopAsync()));
        foreach (UdpFlow flow in _flows)
            await flow.DisposeAsync();
    }

    public void AssertNoneLost() => Assert.All(_results, r => Assert.True(r.Lost.Count == 0 && r.Duplicates == 0, r.ToString()));

    public override string ToString() => string.Join('\n', _results.Select((r, i) => $"{(i < _cpus ? "east" : "west")}ward, CPU {i % _cpus}: {r}"));
}
