using System.Globalization;
using System.Text;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Plane;
using PcpuIpsec.Lab;
using PcpuIpsec.Netlink;
using PcpuIpsec.Xfrm;

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
        flows.AssertNoneLost(errors);
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

    [KernelFact]
    public async Task Without_SAs_rule_routes_or_interface_nothing_leaves_or_comes_in_clear_and_a_removal_puts_everything_back()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        lab.Network.AllowPlaintext();
        string before = await RoutingAsync(lab.West);
        LabCapture proof = await CaptureAsync(lab);
        Assert.Contains(" 1 received", await PingAsync(lab));
        Assert.Contains(" 1 received", await PingAsync(lab, ipv6: true));
        await proof.StopAsync();
        Assert.Equal(2, proof.Captured);

        await using (GatewayPair pair = await GatewayPair.StartAsync(lab, (o, here, there) => o with
        {
            PerCpu = null,
            LocalSelectors = [here.Red.Network.ToString(), here.Red.Network6.ToString()],
            RemoteSelectors = [there.Red.Network.ToString(), there.Red.Network6.ToString()],
            XfrmInterface = new XfrmInterfaceOptions { Name = Interface },
        }))
        {
            await pair.ConnectAsync();
            await using var errors = new XfrmErrors(lab.West, lab.East);
            Assert.Contains(" 1 received", await PingAsync(lab));
            Assert.Contains(" 1 received", await PingAsync(lab, ipv6: true));
            Assert.Contains(" 1 received", await PingAsync(lab, from: lab.West));
            Assert.Contains(" 1 received", await PingAsync(lab, from: lab.West, ipv6: true));
            // An error of west's own, to what came through the tunnel.
            foreach (string ping in (string[])[$"ping -c 1 -W 1 -t 2 {lab.Sunset.Address}", $"ping -c 1 -W 1 -t 2 {lab.Sunset.Red.Address6}"])
                Assert.Matches("From .*[Ee]xceeded", (await lab.Sunrise.RunAsync(new LabCommand("sh", "-c", ping), CancellationToken.None)).Output);
            errors.AssertNone();

            LabCapture capture = await CaptureAsync(lab);
            (await KernelLab.IpAsync(lab.West, "rule del priority 210")).EnsureSuccess();
            foreach (string loss in (string[])["-6 rule del priority 210", $"link del {Interface}"])
            {
                (await KernelLab.IpAsync(lab.West, loss)).EnsureSuccess();
                Assert.Contains(" 0 received", await PingAsync(lab));
                Assert.Contains(" 0 received", await PingAsync(lab, ipv6: true));
                Assert.Contains(" 0 received", await PingAsync(lab, from: lab.West));
            }
            await capture.StopAsync();
            Assert.Equal((0, 0), (capture.Captured, capture.Dropped));

            // East sends in clear now, and west has lost its way in: what arrives is refused, for itself and for sunset.
            await pair.East.RemoveTunnelAsync(GatewayPair.Tunnel);
            IReadOnlyDictionary<string, long> counters = XfrmErrors.Read(lab.West);
            foreach (string to in (string[])[lab.Sunset.Address.ToString(), lab.West.Red.Address.ToString(), lab.Sunset.Red.Address6.ToString(), lab.West.Red.Address6.ToString()])
                Assert.Contains(" 0 received", (await lab.Sunrise.RunAsync(new LabCommand("ping", "-c", "1", "-W", "1", to), CancellationToken.None)).Output);
            Assert.Equal(4, XfrmErrors.Read(lab.West)["XfrmInPolBlock"] - counters["XfrmInPolBlock"]);

            await pair.West.RemoveTunnelAsync(GatewayPair.Tunnel);
        }
        Assert.Equal(before, await RoutingAsync(lab.West));
        Assert.DoesNotContain("10.2.0", (await KernelLab.IpAsync(lab.West, "xfrm policy")).EnsureSuccess().Output);
        Assert.Contains(" 1 received", await PingAsync(lab));
    }

    [KernelFact]
    public async Task What_a_killed_process_left_holds_and_removing_the_tunnel_puts_everything_back()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        lab.Network.AllowPlaintext();
        string before = await RoutingAsync(lab.West);
        Assert.Contains(" 1 received", await PingAsync(lab));
        // To the kernel a plane that nobody ends, and that hears nothing, is one that was killed.
        var host = new KernelHost(() => XfrmErrors.Read(lab.West), (_, _) => throw new InvalidOperationException(), () => { }, () => { }, KernelSockets.Remember, new KernelRoutes(lab.West.Namespace.Run(RouteSocket.Open)));
        await using var killed = new KernelDataPlane(new KernelPlaneOptions { Cpus = HostCpus.Online() }, lab.West.Namespace.Run(XfrmSocket.Open), new KernelSupport(Direction: true, PerCpu: true), host);
        await killed.HoldAsync(
            new TrafficPolicy
            {
                Connection = GatewayPair.Tunnel,
                Mode = IpsecMode.Tunnel,
                LocalSelectors = [TrafficSelector.Parse(lab.West.Red.Network.ToString())],
                RemoteSelectors = [TrafficSelector.Parse(lab.East.Red.Network.ToString())],
                LocalAddress = lab.West.Address,
                RemoteAddress = lab.East.Address,
                Interface = new RoutedInterface("old0", 41, null, [lab.East.Red.Network]),
            },
            CancellationToken.None);
        Assert.Contains(" 0 received", await PingAsync(lab));

        // Under another name and number, as after a change of the configuration.
        await using IpsecGateway next = await GatewayPair.StartOneAsync(lab, lab.West, (o, _, _) => o with { PerCpu = null, XfrmInterface = new XfrmInterfaceOptions { Name = Interface, Id = 42 } });
        Assert.Contains("if_id 0x2a", await LinkAsync(lab.West));
        Assert.DoesNotContain("old0", await RoutingAsync(lab.West));
        Assert.Contains(" 0 received", await PingAsync(lab));

        await next.RemoveTunnelAsync(GatewayPair.Tunnel);
        Assert.Equal(before, await RoutingAsync(lab.West));
        Assert.DoesNotContain("10.2.0", (await KernelLab.IpAsync(lab.West, "xfrm policy")).EnsureSuccess().Output);
        Assert.Contains(" 1 received", await PingAsync(lab));
    }

    private static async Task<string> PingAsync(KernelLab lab, int count = 1, LabHost? from = null, bool ipv6 = false)
    {
        LabInterface source = (from ?? lab.Sunset).Red;
        string[] ends = [(ipv6 ? source.Address6 : source.Address).ToString(), (ipv6 ? lab.Sunrise.Red.Address6 : lab.Sunrise.Address).ToString()];
        return (await (from ?? lab.Sunset).RunAsync(new LabCommand("ping", "-c", $"{count}", "-i", "0.1", "-W", "1", "-I", ends[0], ends[1]), CancellationToken.None)).Output;
    }

    /// <summary>What west sends in clear.</summary>
    private static Task<LabCapture> CaptureAsync(KernelLab lab)
        => lab.CaptureAsync(lab.West, "black", $"src net {lab.Sunset.Red.Network} or src net {lab.Sunset.Red.Network6}", snapLength: 128);

    private static async Task<string> LinkAsync(LabHost host) => (await KernelLab.IpAsync(host, $"-d link show {Interface}")).EnsureSuccess().Output;

    /// <summary>Packets that went into the interface.</summary>
    private static long Sent(LabHost host)
    {
        string line = host.Namespace.ReadProcNet("dev").Split('\n').Single(l => l.TrimStart().StartsWith(Interface + ":", StringComparison.Ordinal));
        // Behind the name eight numbers of what came, then bytes and packets of what went.
        return long.Parse(line.Split(':')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[9], CultureInfo.InvariantCulture);
    }

    /// <summary>Rules, routes and the names of links.</summary>
    private static async Task<string> RoutingAsync(LabHost host)
    {
        var all = new StringBuilder();
        foreach (string question in (string[])["rule", "-6 rule", "route show table all", "-6 route show table all", "-br link"])
            all.Append((await KernelLab.IpAsync(host, question)).EnsureSuccess().Output);
        return all.ToString();
    }
}
