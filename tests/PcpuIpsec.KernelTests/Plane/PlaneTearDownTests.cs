using System.Globalization;
using System.Text.RegularExpressions;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Kernel;
using PcpuIpsec.Lab;
using PcpuIpsec.Tests.Namespaces;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>What a gateway leaves, however it ends, while packets come on: nothing in clear, and nothing of others touched.</summary>
public sealed partial class PlaneTearDownTests
{
    private const uint OthersSpi = 0x999, FirstRequestId = 0x9000_0000;

    private static readonly IReadOnlyList<int> _cpus = HostCpus.Online();
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    [KernelFact]
    public async Task A_tear_down_under_load_shows_no_plaintext_and_takes_nothing_of_others()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        lab.Network.AllowPlaintext();
        await AddOthersAsync(lab.West);
        // The capture sees what leaves in clear where it does.
        LabCapture proof = await CaptureAsync(lab);
        await using (UdpFlow inClear = UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu: 0, rate: 100))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(500));
            FlowResult seen = await inClear.StopAsync();
            await proof.StopAsync();
            Assert.True(seen.Received > 0 && proof.Captured >= seen.Received, $"{seen}; {proof.Captured} captured");
        }

        TwoWayFlows flows;
        LabCapture capture;
        await using (GatewayPair pair = await GatewayPair.StartAsync(lab))
        {
            capture = await CaptureAsync(lab);
            flows = TwoWayFlows.Start(lab.Sunset, lab.Sunrise, _cpus, 50);
            await pair.ConnectAsync();
            await pair.PerCpuSasAsync();
            await flows.ArriveAsync(200);
        }
        await Task.Delay(TimeSpan.FromSeconds(1));
        await flows.StopAsync();
        await capture.StopAsync();

        Assert.True(flows.Eastward.All(r => r.Received > 0), flows.ToString());
        Assert.Equal((0, 0), (capture.Captured, capture.Dropped));
        Assert.Equal([OthersSpi], (await KernelLab.SasAsync(lab.West)).Where(s => s.Spi != 0).Select(s => s.Spi));
        Assert.Equal((3, 1), await PoliciesAsync(lab.West));

        // Only a removal lets the traffic go, and of the policies ours alone.
        await using (IpsecGateway again = await GatewayPair.StartOneAsync(lab, lab.West))
            await again.RemoveTunnelAsync(GatewayPair.Tunnel);
        Assert.Equal((0, 1), await PoliciesAsync(lab.West));
        Assert.Equal([OthersSpi], (await KernelLab.SasAsync(lab.West)).Where(s => s.Spi != 0).Select(s => s.Spi));
    }

    [KernelFact]
    public async Task A_gateway_killed_under_load_lets_nothing_out_in_clear_and_the_next_one_takes_over()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        lab.Network.AllowPlaintext();
        lab.West.Namespace.SetSysctl(PlaneOnDemandTests.Expiry, "77");
        await using IpsecGateway east = await GatewayPair.StartOneAsync(lab, lab.East, (o, _, _) => o with { PerCpu = new PerCpuOptions { OnDemand = true } });
        uint[] before;
        LabCapture capture;
        UdpFlow flow;
        await using (TestDaemon west = await StartWestAsync(lab))
        {
            capture = await CaptureAsync(lab);
            flow = UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu: 1, rate: 100);
            await west.Client.StartTunnelAsync(GatewayPair.Tunnel).WaitAsync(_patience);
            await ArriveAsync(flow, 100);
            before = [.. (await KernelLab.SasAsync(lab.West)).Select(s => s.Spi)];
            await west.KillAsync();
        }
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.Equal("5", lab.West.Namespace.GetSysctl(PlaneOnDemandTests.Expiry));

        await using (TestDaemon west = await StartWestAsync(lab))
        {
            await west.Client.StartTunnelAsync(GatewayPair.Tunnel).WaitAsync(_patience);
            await PlaneWait.UntilAsync(async () => (await KernelLab.SasAsync(lab.West)).Where(s => s.Spi != 0).Select(s => s.Spi).Intersect(before).Count() is > 0 and var left ? $"{left} SAs of the killed gateway are there" : null);
            await ArriveAsync(flow, 100);
        }
        await flow.StopAsync();
        await flow.DisposeAsync();
        await capture.StopAsync();

        Assert.Equal((0, 0), (capture.Captured, capture.Dropped));
        Assert.Equal("77", lab.West.Namespace.GetSysctl(PlaneOnDemandTests.Expiry));
        Assert.DoesNotContain(await KernelLab.SasAsync(lab.West), s => s.Spi != 0);
        await using (IpsecGateway last = await GatewayPair.StartOneAsync(lab, lab.West))
            await last.RemoveTunnelAsync(GatewayPair.Tunnel);
        Assert.Equal((0, 0), await PoliciesAsync(lab.West));
    }

    private static async Task ArriveAsync(UdpFlow flow, long more)
    {
        long until = flow.Received + more;
        await PlaneWait.UntilAsync(() => Task.FromResult(flow.Received >= until ? null : $"only {flow.Received} of {until} datagrams arrived"));
    }

    /// <summary>What west sends in clear. What it has decrypted shows on the same interface, and is not meant.</summary>
    private static Task<LabCapture> CaptureAsync(KernelLab lab)
        => lab.CaptureAsync(lab.West, "black", $"src net {lab.Sunset.Red.Network}", snapLength: 128);

    private static async Task<TestDaemon> StartWestAsync(KernelLab lab)
    {
        TestDaemon west = await TestDaemon.StartAsync(lab.West, "--data-plane", "kernel");
        await west.Client.CreateTunnelAsync(new TunnelDefinition
        {
            Name = GatewayPair.Tunnel,
            LocalAddress = lab.West.Address.ToString(),
            RemoteAddress = lab.East.Address.ToString(),
            PreSharedKey = PreSharedKey.CopyOf("the lab's own pre-shared key"u8),
            LocalSelectors = [lab.West.Red.Network.ToString()],
            RemoteSelectors = [lab.East.Red.Network.ToString()],
            PerCpu = new PerCpuDefinition { OnDemand = true },
        });
        return west;
    }

    /// <summary>A state and a policy as another daemon has them.</summary>
    private static async Task AddOthersAsync(LabHost host)
    {
        (await KernelLab.IpAsync(host, ManualSas.State("192.0.2.1", "192.0.2.2", OthersSpi, "out", null))).EnsureSuccess();
        (await KernelLab.IpAsync(host, "xfrm policy add src 198.51.100.0/24 dst 203.0.113.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel")).EnsureSuccess();
    }

    /// <summary>How many policies with templates are ours, and how many are others'.</summary>
    private static async Task<(int Ours, int Others)> PoliciesAsync(LabHost host)
    {
        string text = (await KernelLab.IpAsync(host, "xfrm policy")).EnsureSuccess().Output;
        bool[] ours = [.. RequestIds().Matches(text).Select(m => uint.Parse(m.Groups[1].ValueSpan, CultureInfo.InvariantCulture) >= FirstRequestId)];
        return (ours.Count(o => o), ours.Count(o => !o));
    }

    [GeneratedRegex(@"\breqid (\d+)")]
    private static partial Regex RequestIds();
}
