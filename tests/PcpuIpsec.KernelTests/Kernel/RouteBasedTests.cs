using System.Diagnostics;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.Host.Control;
using PcpuIpsec.Host.Experiment;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Plane;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>Tunnels whose packets take an XFRM interface, beside the routes that the same packets would take in clear.</summary>
public sealed class RouteBasedTests
{
    private const string Interface = "ipsec0";

    [KernelFact]
    public async Task Packets_of_every_CPU_go_through_the_interface_and_without_SAs_or_interface_none_goes_in_clear()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        lab.Network.AllowPlaintext();
        string before = await RoutingAsync(lab.West);
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
        Assert.True(await SentAsync(lab.West) >= flows.Eastward.Sum(f => f.Sent));

        LabCapture capture = await lab.CaptureAsync(lab.West, "black", $"src net {lab.Sunset.Red.Network}", snapLength: 128);
        await pair.West.CloseTunnelAsync(GatewayPair.Tunnel);
        Assert.Contains(" 0 received", await PingAsync(lab));
        (await KernelLab.IpAsync(lab.West, $"link set {Interface} down")).EnsureSuccess();
        Assert.Contains(" 0 received", await PingAsync(lab));
        (await KernelLab.IpAsync(lab.West, $"link del {Interface}")).EnsureSuccess();
        Assert.Contains(" 0 received", await PingAsync(lab));
        await capture.StopAsync();
        Assert.Equal((0, 0), (capture.Captured, capture.Dropped));

        await pair.West.RemoveTunnelAsync(GatewayPair.Tunnel);
        Assert.Equal(before, await RoutingAsync(lab.West));
        Assert.Equal("", (await KernelLab.IpAsync(lab.West, "xfrm policy")).Output);
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
        while ((await GatewayPair.FallbackAsync(pair.West)).OutboundSpi == fallback.OutboundSpi)
            await Task.Delay(50, limit.Token);
        Assert.Contains(" 3 received", await PingAsync(lab, count: 3));
        Assert.True(await SentAsync(lab.West) >= 6);
    }

    [KernelFact]
    public async Task What_a_killed_gateway_left_holds_and_release_puts_everything_back()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        lab.Network.AllowPlaintext();
        string before = await RoutingAsync(lab.West);
        // The shared folder keeps no modes.
        string folder = Directory.CreateTempSubdirectory("pcpu-route-").FullName, file = Path.Combine(folder, "west.json"), key = Path.Combine(folder, "west.key");
        GatewayConfiguration configuration = new()
        {
            DataPlane = DataPlaneKind.Kernel,
            Tunnels =
            [
                new TunnelConfiguration
                {
                    Name = GatewayPair.Tunnel,
                    LocalAddress = lab.West.Address.ToString(),
                    RemoteAddress = lab.East.Address.ToString(),
                    PreSharedKeyFile = key,
                    LocalSelectors = [lab.West.Red.Network.ToString()],
                    RemoteSelectors = [lab.East.Red.Network.ToString()],
                    XfrmInterface = new XfrmInterfaceOptions { Name = Interface, Id = 42 },
                    Discard = [new ExceptionConfiguration { Remote = "10.2.0.60" }],
                },
            ],
        };
        await WritePrivateAsync(key, "the lab's own pre-shared key");
        await WritePrivateAsync(file, configuration.ToString());
        Assert.Contains(" 1 received", await PingAsync(lab));

        await using (GatewayProcess west = await GatewayProcess.StartAsync(lab.West, configuration, CancellationToken.None))
        {
            using Process process = Process.GetProcessById(west.Pid);
            process.Kill();
            await process.WaitForExitAsync();
        }
        Assert.Contains("if_id 0x2a", await LinkAsync(lab.West));
        Assert.Contains(" 0 received", await PingAsync(lab));

        (string program, IReadOnlyList<string> arguments) = HostProgram.Command("release", "--config", file);
        CommandResult released = await lab.West.RunAsync(new LabCommand(program, arguments), CancellationToken.None);
        Directory.Delete(folder, recursive: true);

        Assert.Equal("lab: its traffic is not held any more.", (released.Output + released.Error).Trim());
        Assert.Equal(before, await RoutingAsync(lab.West));
        Assert.Equal("", (await KernelLab.IpAsync(lab.West, "xfrm policy")).Output);
        Assert.Contains(" 1 received", await PingAsync(lab));
    }

    private static async Task WritePrivateAsync(string path, string text)
    {
        await File.WriteAllTextAsync(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static async Task<string> PingAsync(KernelLab lab, int count = 1)
        => (await lab.Sunset.RunAsync(new LabCommand("ping", "-c", $"{count}", "-i", "0.1", "-W", "1", lab.Sunrise.Address.ToString()), CancellationToken.None)).Output;

    private static async Task<string> LinkAsync(LabHost host) => (await KernelLab.IpAsync(host, $"-d link show {Interface}")).EnsureSuccess().Output;

    /// <summary>Packets that went into the interface.</summary>
    private static async Task<long> SentAsync(LabHost host)
        => long.Parse((await host.RunAsync(new LabCommand("cat", $"/sys/class/net/{Interface}/statistics/tx_packets"), CancellationToken.None)).EnsureSuccess().Output, System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Rules, routes and the names of links.</summary>
    private static async Task<string> RoutingAsync(LabHost host)
    {
        var all = new System.Text.StringBuilder();
        foreach (string question in (string[])["rule", "-6 rule", "route show table all", "-6 route show table all", "-br link"])
            all.Append((await KernelLab.IpAsync(host, question)).EnsureSuccess().Output);
        return all.ToString();
    }
}
