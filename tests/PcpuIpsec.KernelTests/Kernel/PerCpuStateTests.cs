using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Vm;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>What the kernel itself does with SAs bound to CPUs, by ip alone: the ground that all other tests here stand on.</summary>
public sealed class PerCpuStateTests
{
    private const int PacketsPerSecond = 500;

    [KernelFact]
    public async Task Each_CPU_s_packets_are_counted_on_its_own_SA_at_both_ends_and_none_on_the_fallback()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        IReadOnlyList<int> cpus = HostCpus.Online();
        await ManualSas.InstallAsync(lab, cpus);
        await using var errors = new XfrmErrors(lab.West, lab.East);

        var flows = cpus.Select(cpu => UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu, PacketsPerSecond)).ToList();
        await Task.Delay(TimeSpan.FromSeconds(3));
        FlowResult[] results = await Task.WhenAll(flows.Select(f => f.StopAsync()));
        foreach (UdpFlow flow in flows)
            await flow.DisposeAsync();

        Assert.All(results, r => Assert.True(r.Lost.Count == 0 && r.Duplicates == 0, r.ToString()));
        errors.AssertNone();
        foreach ((LabHost host, string direction) in new[] { (lab.West, "out"), (lab.East, "in") })
        {
            IReadOnlyList<KernelSa> sas = [.. (await KernelSa.ReadAsync(host)).Where(s => s.Direction == direction && s.Source == "10.0.0.1")];
            Assert.Equal(0, Assert.Single(sas, s => s.Cpu is null).Packets);
            foreach (int cpu in cpus)
                Assert.Equal(results[cpu].Sent, Assert.Single(sas, s => s.Cpu == cpu).Packets);
        }
    }

    [KernelFact]
    public async Task A_CPU_beyond_the_possible_ones_is_refused_with_the_kernel_s_words()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();

        CommandResult result = await KernelLab.IpAsync(lab.West, ManualSas.State("10.0.0.1", "10.0.0.2", 0x100, "out", HostCpus.Possible().Count));

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("pCPU number too big", result.Error, StringComparison.Ordinal);
        Assert.Empty(await KernelSa.ReadAsync(lab.West));
    }

    [KernelFact(Machine = Machine.ManyCpus)]
    public async Task All_128_possible_CPUs_get_a_pair_and_number_128_is_refused()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        IReadOnlyList<int> possible = HostCpus.Possible();
        Assert.Equal(128, possible.Count);

        await ManualSas.InstallAsync(lab, possible);

        IReadOnlyList<KernelSa> sas = await KernelSa.ReadAsync(lab.West);
        Assert.Equal(2 * (1 + 128), sas.Count);
        Assert.All(possible, cpu => Assert.Equal(["in", "out"], sas.Where(s => s.Cpu == cpu).Select(s => s.Direction!).Order()));
        CommandResult refused = await KernelLab.IpAsync(lab.West, ManualSas.State("10.0.0.1", "10.0.0.2", 0x100, "out", 128));
        Assert.Contains("pCPU number too big", refused.Error, StringComparison.Ordinal);
    }
}
