using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;
using PcpuIpsec.Tests.Namespaces;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>A daemon on the kernel's ESP, spoken to as the cmdlets speak to it. It starts slowly under emulation: all that takes one is one test.</summary>
public sealed class PlaneDaemonTests
{
    [KernelFact]
    public async Task A_killed_daemon_loses_no_packet_and_lets_none_out_in_clear_nor_does_the_next_one_which_leaves_no_orphan()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using IpsecGateway east = await GatewayPair.StartOneAsync(lab, lab.East);
        await using TestDaemon west = await TestDaemon.StartAsync(lab.West, "--data-plane", "kernel");
        await west.Client.CreateTunnelAsync(Definition(lab.West, lab.East));
        LabCapture capture = await PlaneTearDownTests.CaptureAsync(lab);
        await west.Client.StartTunnelAsync(GatewayPair.Tunnel, allChildSas: true);
        await KernelHasTheDaemonsAsync(west);
        IReadOnlyList<XfrmState> states = await west.Client.GetXfrmStatesAsync();
        int children = (await west.Client.GetChildSasAsync()).Count;
        Assert.All(states, s => Assert.Equal(GatewayPair.Tunnel, s.Tunnel));
        Assert.Equal((await west.Client.GetInfoAsync()).Cpus, states.Where(s => s is { Direction: "out", Cpu: not null }).Select(s => s.Cpu!.Value).Distinct().Order());
        Assert.All(await west.Client.GetXfrmPoliciesAsync(), p => Assert.True(p.Tunnel is null or GatewayPair.Tunnel));

        await using UdpFlow there = UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu: 1, rate: 100), back = UdpFlow.Start(lab.Sunrise, lab.Sunset, cpu: 2, rate: 100);
        await PlaneWait.UntilAsync(() => Task.FromResult(Math.Min(there.Received, back.Received) > 50 ? null : $"only {there.Received} and {back.Received} datagrams arrived"));
        await west.KillAsync();
        await Task.Delay(TimeSpan.FromSeconds(3));
        string[] left = [.. await SpisAsync(lab)];
        Assert.Equal(states.Select(s => s.Spi).Where(s => s != "0x00000000").Order(), left);

        // It waits for its peer, but what it finds carried it connects.
        await west.StartAsync();
        Assert.Equal(GatewayPair.Tunnel, Assert.Single(await west.Client.GetTunnelsAsync()).Name);
        await PlaneWait.UntilAsync(async () => (await west.Client.GetChildSasAsync()).Count == children ? null : "not every CPU has its Child SA anew");
        await KernelHasTheDaemonsAsync(west);
        Assert.Empty(left.Intersect(await SpisAsync(lab)));
        foreach (FlowResult flow in await Task.WhenAll(there.StopAsync(), back.StopAsync()))
            Assert.True(flow.Lost.Count == 0, flow.ToString());

        Assert.Equal(0, await west.StopAsync());
        await capture.StopAsync();
        Assert.Equal((0, 0), (capture.Captured, capture.Dropped));
        Assert.DoesNotContain(await KernelLab.SasAsync(lab.West), s => s.Spi != 0);
        Assert.Equal((3, 0), await PlaneTearDownTests.PoliciesAsync(lab.West));
    }

    private static async Task<IEnumerable<string>> SpisAsync(KernelLab lab)
        => (await KernelLab.SasAsync(lab.West)).Where(s => s.Spi != 0).Select(s => $"0x{s.Spi:x8}").Order();

    /// <summary>The kernel's states are those of the daemon's Child SAs, and no others. What both ends began at once takes a moment to settle.</summary>
    private static Task KernelHasTheDaemonsAsync(TestDaemon daemon) => PlaneWait.UntilAsync(async () =>
    {
        string[] said = [.. (await daemon.Client.GetChildSasAsync()).SelectMany(c => c.OutboundInstalled ? (string[])[c.InboundSpi, c.OutboundSpi] : [c.InboundSpi]).Order()];
        string[] there = [.. (await daemon.Client.GetXfrmStatesAsync()).Where(s => s.Spi != "0x00000000").Select(s => s.Spi).Order()];
        return said.SequenceEqual(there) ? null : $"the daemon tells of {string.Join(' ', said)}, and the kernel has {string.Join(' ', there)}";
    });

    private static TunnelDefinition Definition(LabHost here, LabHost there) => new()
    {
        Name = GatewayPair.Tunnel,
        LocalAddress = here.Address.ToString(),
        RemoteAddress = there.Address.ToString(),
        LocalSelectors = [here.Red.Network.ToString()],
        RemoteSelectors = [there.Red.Network.ToString()],
        PreSharedKey = PreSharedKey.CopyOf("the lab's own pre-shared key"u8),
        PerCpu = new PerCpuDefinition(),
    };
}
