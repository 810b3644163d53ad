using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>Child SAs on demand: the kernel's acquires by CPU, what they cost, and what is set for them.</summary>
public sealed class PlaneOnDemandTests(ITestOutputHelper output)
{
    internal const string Expiry = "net.core.xfrm_acq_expires";

    private static readonly IReadOnlyList<int> _cpus = HostCpus.Online();

    [KernelFact]
    public async Task Each_CPU_gets_its_SA_when_it_sends_and_what_its_acquire_cost_is_counted()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        lab.West.Namespace.SetSysctl(Expiry, "77");
        await using (GatewayPair pair = await GatewayPair.StartAsync(lab, (o, _, _) => o with { PerCpu = new PerCpuOptions { OnDemand = true } }))
        {
            Assert.Equal("5", lab.West.Namespace.GetSysctl(Expiry));
            await pair.ConnectAsync();
            await using var errors = new XfrmErrors(lab.West, lab.East);

            List<UdpFlow> flows = [];
            foreach (int cpu in _cpus)
            {
                flows.Add(UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu, 200));
                await PlaneWait.UntilAsync(async () => (await KernelLab.SasAsync(lab.West)).Any(s => s.Cpu == cpu && s is { Direction: "out", Packets: > 20 }) ? null : $"CPU {cpu} does not send by an SA of its own");
            }
            FlowResult[] results = await Task.WhenAll(flows.Select(f => f.StopAsync()));
            foreach (UdpFlow flow in flows)
                await flow.DisposeAsync();
            long lost = results.Sum(r => r.Lost.Count);
            foreach (FlowResult result in results)
                output.WriteLine(result.ToString());
            output.WriteLine(errors.Timeline());

            // All that was lost is what the acquires cost, and the gateway says so; but what was just being forwarded when a policy was written.
            GatewayStatus status = await pair.West.GetStatusAsync();
            Assert.Equal(lost, errors.Grown().Values.Sum());
            long whileWritten = errors.Grown().Where(e => e.Key.EndsWith("XfrmFwdHdrError", StringComparison.Ordinal)).Sum(e => e.Value);
            Assert.InRange(whileWritten, 0, 3);
            Assert.Equal(lost - whileWritten, status.DropCounters["LostToAcquires"]);
            Assert.All(status.Tunnels[0].ChildSas, c => Assert.True(c.OutboundInstalled));
            Assert.DoesNotContain(await KernelLab.SasAsync(lab.West), s => s.Spi == 0);
            await File.WriteAllTextAsync(Path.Combine(GuestMachine.ResultsFolder, "lost-to-acquires.txt"), $"{lost} of {results.Sum(r => r.Sent)} packets of {_cpus.Count} CPUs at {results.Average(r => r.Rate):F0}/s each were lost between acquire and answer\n");
        }
        Assert.Equal("77", lab.West.Namespace.GetSysctl(Expiry));
    }

    [KernelFact]
    public async Task Traffic_of_all_CPUs_at_once_brings_a_waiting_tunnel_up_and_then_its_SAs()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, _, _) => o with { PerCpu = new PerCpuOptions { OnDemand = true } });

        await using TwoWayFlows flows = TwoWayFlows.Start(lab.Sunset, lab.Sunrise, _cpus, 50);
        foreach (var host in (Lab.LabHost[])[lab.West, lab.East])
            await PlaneWait.UntilAsync(async () => _cpus.Except((await KernelLab.SasAsync(host)).Where(s => s is { Direction: "out", Packets: > 20 } && s.Cpu is not null).Select(s => s.Cpu!.Value)).ToArray() is { Length: > 0 } missing ? $"CPUs {string.Join(", ", missing)} of {host.Name} do not send by SAs of their own" : null);

        // From here on nothing is asked for, and nothing is lost.
        await using var errors = new XfrmErrors(lab.West, lab.East);
        await flows.ArriveAsync(300);
        errors.AssertNone();
        await flows.StopAsync();
        output.WriteLine(flows.ToString());
        foreach (var host in (Lab.LabHost[])[lab.West, lab.East])
            Assert.DoesNotContain(await KernelLab.SasAsync(host), s => s.Spi == 0);
    }
}
