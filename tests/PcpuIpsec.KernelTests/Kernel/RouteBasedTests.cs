using System.Globalization;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Plane;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>Tunnels whose packets take an XFRM interface, beside the routes that the same packets would take in clear.</summary>
public sealed class RouteBasedTests
{
    private const string Interface = "ipsec0";

    [KernelFact]
    public async Task Packets_of_every_CPU_go_through_the_interface_and_each_by_its_own_SA()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, _, _) => o with { XfrmInterface = new XfrmInterfaceOptions { Name = Interface } });
        // 1280 until there is an SA, then 1500 less 54 for AES-GCM in tunnel mode.
        Assert.Contains("mtu 1280", await LinkAsync(lab.West));
        await pair.ConnectAsync();
        await pair.PerCpuSasAsync();
        Assert.Contains("mtu 1446", await LinkAsync(lab.West));
        Assert.All(await KernelLab.SasAsync(lab.West), s => Assert.Contains("if_id 0x9", s.Text));

        await using var errors = new XfrmErrors(lab.West, lab.East);
        TwoWayFlows flows = TwoWayFlows.Start(lab.Sunset, lab.Sunrise, HostCpus.Online(), 200);
        await Task.Delay(TimeSpan.FromSeconds(2));
        await flows.StopAsync();
        flows.AssertNoneLost();
        errors.AssertNone();
        foreach (int cpu in HostCpus.Online())
        {
            uint spi = (await GatewayPair.OfCpuAsync(pair.West, cpu)).OutboundSpi;
            Assert.Equal(flows.Eastward[cpu].Sent, Assert.Single(await KernelLab.SasAsync(lab.West), s => s.Spi == spi && s.Direction == "out").Packets);
        }
        Assert.True(Sent(lab.West) >= flows.Eastward.Sum(f => f.Sent));
    }

    [KernelFact]
    public async Task Everything_can_be_the_peer_s_side_while_IKE_and_our_own_networks_keep_their_ways()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, here, _) => here == lab.West
            ? o with { RemoteSelectors = ["0.0.0.0/0"], PerCpu = null, XfrmInterface = new XfrmInterfaceOptions { Name = Interface } }
            : o with { LocalSelectors = ["0.0.0.0/0"], PerCpu = null, XfrmInterface = new XfrmInterfaceOptions { Name = Interface } });
        await pair.ConnectAsync();
        Assert.Contains(" 3 received", await PingAsync(lab, count: 3));
        // Rekeying takes IKE over the outer way, which the interface's routes cover too.
        ChildSaStatus fallback = await GatewayPair.FallbackAsync(pair.West);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await pair.West.RekeyChildSaAsync(GatewayPair.Tunnel, fallback.Number, limit.Token);
        while (!(await GatewayPair.StatusAsync(pair.West)).ChildSas.Any(c => c.IsFallback && c.OutboundSpi != fallback.OutboundSpi))
            await Task.Delay(50, limit.Token);
        Assert.Contains(" 3 received", await PingAsync(lab, count: 3));
        Assert.True(Sent(lab.West) >= 6);
    }

    private static async Task<string> PingAsync(KernelLab lab, int count = 1)
        => (await lab.Sunset.RunAsync(new LabCommand("ping", "-c", $"{count}", "-i", "0.1", "-W", "1", lab.Sunrise.Address.ToString()), CancellationToken.None)).Output;

    private static async Task<string> LinkAsync(LabHost host) => (await KernelLab.IpAsync(host, $"-d link show {Interface}")).EnsureSuccess().Output;

    /// <summary>Packets that went into the interface.</summary>
    private static long Sent(LabHost host)
    {
        string line = host.Namespace.ReadProcNet("dev").Split('\n').Single(l => l.TrimStart().StartsWith(Interface + ":", StringComparison.Ordinal));
        // Behind the name eight numbers of what came, then bytes and packets of what went.
        return long.Parse(line.Split(':')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[9], CultureInfo.InvariantCulture);
    }
}
