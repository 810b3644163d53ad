using System.Globalization;
using System.Text.RegularExpressions;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Kernel;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>What a gateway leaves, however it ends, while packets come on: nothing in clear, and nothing of others touched.</summary>
public sealed partial class PlaneTearDownTests
{
    private const uint OthersSpi = 0x999, FirstRequestId = 0x9000_0000;

    private static readonly IReadOnlyList<int> _cpus = HostCpus.Online();

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

    /// <summary>What west sends in clear. What it has decrypted shows on the same interface, and is not meant.</summary>
    internal static Task<LabCapture> CaptureAsync(KernelLab lab)
        => lab.CaptureAsync(lab.West, "black", $"src net {lab.Sunset.Red.Network}", snapLength: 128);

    /// <summary>A state and a policy as another daemon has them.</summary>
    private static async Task AddOthersAsync(LabHost host)
    {
        (await KernelLab.IpAsync(host, ManualSas.State("192.0.2.1", "192.0.2.2", OthersSpi, "out", null))).EnsureSuccess();
        (await KernelLab.IpAsync(host, "xfrm policy add src 198.51.100.0/24 dst 203.0.113.0/24 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel")).EnsureSuccess();
    }

    /// <summary>How many policies with templates are ours, and how many are others'.</summary>
    internal static async Task<(int Ours, int Others)> PoliciesAsync(LabHost host)
    {
        string text = (await KernelLab.IpAsync(host, "xfrm policy")).EnsureSuccess().Output;
        bool[] ours = [.. RequestIds().Matches(text).Select(m => uint.Parse(m.Groups[1].ValueSpan, CultureInfo.InvariantCulture) >= FirstRequestId)];
        return (ours.Count(o => o), ours.Count(o => !o));
    }

    [GeneratedRegex(@"\breqid (\d+)")]
    private static partial Regex RequestIds();
}
