using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>Two of our gateways and the packets of four CPUs in both directions.</summary>
public sealed class PlaneTrafficTests(ITestOutputHelper output)
{
    private static readonly IReadOnlyList<int> _cpus = HostCpus.Online();

    [KernelFact]
    public async Task Each_CPU_s_traffic_is_counted_on_its_own_SA_at_both_ends_and_the_fallbacks_stand_still()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab);
        await pair.ConnectAsync();
        await using var errors = new XfrmErrors(lab.West, lab.East);

        TwoWayFlows flows = TwoWayFlows.Start(lab, _cpus, 300);
        await Task.Delay(TimeSpan.FromSeconds(3));
        await flows.StopAsync();
        output.WriteLine(flows.ToString());

        flows.AssertNoneLost();
        errors.AssertNone();
        foreach ((IpsecGateway from, LabHost sender, LabHost receiver, IReadOnlyList<FlowResult> sent) in new[]
        {
            (pair.West, lab.West, lab.East, flows.Eastward),
            (pair.East, lab.East, lab.West, flows.Westward),
        })
        {
            IReadOnlyList<KernelSa> leaving = await KernelLab.SasAsync(sender), arriving = await KernelLab.SasAsync(receiver);
            uint fallback = (await GatewayPair.FallbackAsync(from)).OutboundSpi;
            Assert.Equal((0, null), Of(leaving, fallback, "out"));
            Assert.Equal((0, null), Of(arriving, fallback, "in"));
            foreach (int cpu in _cpus)
            {
                uint spi = (await GatewayPair.OfCpuAsync(from, cpu)).OutboundSpi;
                Assert.Equal((sent[cpu].Sent, cpu), Of(leaving, spi, "out"));
                Assert.Equal(sent[cpu].Sent, Of(arriving, spi, "in").Packets);
            }
            // Which of its own CPUs the other end serves it on is its own choice, but each once.
            Assert.Equal(_cpus, arriving.Where(s => s.Direction == "in" && s.Cpu is not null).Select(s => s.Cpu!.Value).Order());
        }
    }

    private static (long Packets, int? Cpu) Of(IReadOnlyList<KernelSa> sas, uint spi, string direction)
    {
        KernelSa sa = Assert.Single(sas, s => s.Spi == spi && s.Direction == direction);
        return (sa.Packets, sa.Cpu);
    }
}
