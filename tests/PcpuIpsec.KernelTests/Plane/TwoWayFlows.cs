using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>A flow of each CPU from one host to another, and one back.</summary>
internal sealed class TwoWayFlows : IAsyncDisposable
{
    private readonly List<UdpFlow> _flows = [];
    private readonly int _cpus;
    private FlowResult[] _results = [];

    private TwoWayFlows(int cpus) => _cpus = cpus;

    /// <summary>What went east, a flow a CPU; once stopped.</summary>
    public IReadOnlyList<FlowResult> Eastward => _results[.._cpus];

    /// <summary>What went west, a flow a CPU; once stopped.</summary>
    public IReadOnlyList<FlowResult> Westward => _results[_cpus..];

    /// <summary>How much was lost.</summary>
    public long Lost => _results.Sum(r => r.Lost.Count);

    /// <summary>What arrived so far.</summary>
    public long Received => _flows.Sum(f => f.Received);

    /// <summary>Begins to send.</summary>
    /// <param name="west">One end: sunset with tunnels, west with transport mode.</param>
    /// <param name="east">The other.</param>
    /// <param name="cpus">The CPUs that send and receive.</param>
    /// <param name="rate">Datagrams a second of each flow.</param>
    /// <param name="ipv6">By IPv6.</param>
    public static TwoWayFlows Start(LabHost west, LabHost east, IReadOnlyList<int> cpus, int rate, bool ipv6 = false)
    {
        var flows = new TwoWayFlows(cpus.Count);
        flows._flows.AddRange(cpus.Select(cpu => UdpFlow.Start(west, east, cpu, rate, ipv6: ipv6)));
        flows._flows.AddRange(cpus.Select(cpu => UdpFlow.Start(east, west, cpu, rate, ipv6: ipv6)));
        return flows;
    }

    /// <summary>Waits until this much more has arrived.</summary>
    public async Task ArriveAsync(long more)
    {
        long until = Received + more;
        await PlaneWait.UntilAsync(() => Task.FromResult(Received >= until ? null : $"only {Received} of {until} datagrams arrived"));
    }

    public async Task StopAsync()
    {
        _results = await Task.WhenAll(_flows.Select(f => f.StopAsync()));
        await DisposeAsync();
    }

    public void AssertNoneLost(XfrmErrors errors) => Assert.True(_results.All(r => r.Lost.Count == 0 && r.Duplicates == 0), $"{this}\n{errors.Timeline()}");

    public override string ToString() => string.Join('\n', _results.Select((r, i) => $"{(i < _cpus ? "east" : "west")}ward {i % _cpus}: {r}"));

    public async ValueTask DisposeAsync()
    {
        foreach (UdpFlow flow in _flows)
            await flow.DisposeAsync();
    }
}
