using System.Globalization;
using PcpuIpsec.Gateway;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Plane;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>What a tunnel lets pass in clear and what it drops, beside what it carries, judged by the kernel's counters and a capture.</summary>
public sealed class TrafficPairTests
{
    private const string Passing = "10.2.0.50", Dropped = "10.2.0.60";
    private const int Pings = 5;

    [KernelFact]
    public async Task A_bypass_passes_in_clear_a_discard_is_counted_and_the_rest_goes_through_the_SA()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        foreach (string address in (string[])[Passing, Dropped])
            (await KernelLab.IpAsync(lab.Sunrise, $"addr add {address}/24 dev red")).EnsureSuccess();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, here, _) => o with
        {
            PerCpu = null,
            Bypass = [here == lab.West ? new TrafficPair { Remote = Passing } : new TrafficPair { Local = Passing }],
            Discard = here == lab.West ? [new TrafficPair { Remote = Dropped }] : [],
        });
        await pair.ConnectAsync();
        LabCapture clear = await lab.CaptureAsync(lab.West, "black", "icmp and src 10.1.0.2 and dst " + Passing), leak = await lab.CaptureAsync(lab.West, "black", $"icmp and src 10.1.0.2 and not dst {Passing}");
        IReadOnlyDictionary<string, long> before = XfrmErrors.Read(lab.West);

        Assert.Contains($" {Pings} received", await PingAsync(lab, Passing));
        Assert.Contains(" 0 received", await PingAsync(lab, Dropped));
        Assert.Contains($" {Pings} received", await PingAsync(lab, lab.Sunrise.Address.ToString()));

        await clear.StopAsync();
        await leak.StopAsync();
        Assert.Equal((Pings, 0L), ((int)clear.Captured, leak.Captured));
        Dictionary<string, long> grown = XfrmErrors.Read(lab.West).Select(c => (c.Key, Growth: c.Value - before[c.Key])).Where(c => c.Growth != 0).ToDictionary(c => c.Key, c => c.Growth);
        // West forwards: what it drops, it drops on the way in.
        Assert.Equal(Pings, grown.Values.Sum());
        Assert.All(grown.Keys, name => Assert.EndsWith("PolBlock", name));
        uint spi = (await GatewayPair.FallbackAsync(pair.West)).OutboundSpi;
        Assert.Equal(Pings, Assert.Single(await KernelLab.SasAsync(lab.West), s => s.Spi == spi && s.Direction == "out").Packets);

        // Without SAs what is dropped stays dropped, and what passes passes.
        await pair.West.CloseTunnelAsync(GatewayPair.Tunnel);
        Assert.Contains($" {Pings} received", await PingAsync(lab, Passing));
        Assert.Contains(" 0 received", await PingAsync(lab, Dropped));
        await pair.West.RemoveTunnelAsync(GatewayPair.Tunnel);
        // Those of IKE's sockets go with them.
        Assert.DoesNotContain("10.2.0", (await KernelLab.IpAsync(lab.West, "xfrm policy")).EnsureSuccess().Output);
    }

    private static async Task<string> PingAsync(KernelLab lab, string to)
        => (await lab.Sunset.RunAsync(new LabCommand("ping", "-c", Pings.ToString(CultureInfo.InvariantCulture), "-i", "0.05", "-W", "1", to), CancellationToken.None)).Output;
}
