using System.Diagnostics;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>Somebody else empties the kernel's tables while packets come on.</summary>
public sealed class PlaneFlushTests
{
    private const int Rate = 100;

    private static readonly IReadOnlyList<int> _cpus = HostCpus.Online();

    [KernelFact]
    public async Task Policies_and_SAs_that_somebody_flushes_under_load_come_back_and_traffic_goes_on()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        lab.Network.AllowPlaintext();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab);
        await pair.ConnectAsync();
        await pair.PerCpuSasAsync();
        string policies = await PoliciesAsync(lab.West);
        // Both from before the packets come: while a capture begins under load it counts some that its filter takes away.
        LabCapture leak = await CaptureAsync(lab), whole = await CaptureAsync(lab);
        TwoWayFlows flows = TwoWayFlows.Start(lab.Sunset, lab.Sunrise, _cpus, Rate);
        await flows.ArriveAsync(400);

        (await KernelLab.IpAsync(lab.West, "xfrm policy flush")).EnsureSuccess();
        await PlaneWait.UntilAsync(async () => await PoliciesAsync(lab.West) == policies ? null : "policies are missing");
        await flows.ArriveAsync(400);
        await leak.StopAsync();

        HashSet<uint> lost = [.. (await GatewayPair.StatusAsync(pair.West)).ChildSas.Select(c => c.OutboundSpi)];
        long began = Stopwatch.GetTimestamp();
        (await KernelLab.IpAsync(lab.West, "xfrm state flush")).EnsureSuccess();
        await PlaneWait.UntilAsync(async () => await MissingAsync(pair.West, lost) ?? await MissingAsync(pair.East, []));
        TimeSpan healed = Stopwatch.GetElapsedTime(began);
        await flows.ArriveAsync(400);
        await flows.StopAsync();
        await whole.StopAsync();
        await File.WriteAllTextAsync(
            Path.Combine(GuestMachine.ResultsFolder, "flush.txt"),
            FormattableString.Invariant($"in clear after a flush of policies: {leak.Captured} of {_cpus.Count * Rate} a second; in clear after a flush of states: {whole.Captured - leak.Captured}; all SAs again after {healed.TotalSeconds:F1} s\n{flows}\n"));

        // The moment until the policies are back lets some out, of emulated CPUs under load a longer one.
        Assert.True(leak.Captured < 5 * _cpus.Count * Rate, $"{leak.Captured} datagrams in clear");
        Assert.Equal((leak.Captured, 0), (whole.Captured, whole.Dropped));
        Assert.Equal(policies, await PoliciesAsync(lab.West));

        // The captures see what goes in clear.
        LabCapture proof = await CaptureAsync(lab);
        await pair.West.RemoveTunnelAsync(GatewayPair.Tunnel);
        await lab.Sunset.RunAsync(new LabCommand("ping", "-c", "3", "-i", "0.1", "-W", "1", lab.Sunrise.Address.ToString()), CancellationToken.None);
        await proof.StopAsync();
        Assert.Equal(3, proof.Captured);
    }

    /// <summary>What a gateway is short of; null once each CPU and the fallback have an SA that was not lost.</summary>
    private static async Task<string?> MissingAsync(IpsecGateway gateway, HashSet<uint> lost)
    {
        ChildSaStatus[] there = [.. (await GatewayPair.StatusAsync(gateway)).ChildSas.Where(c => c.OutboundInstalled && !lost.Contains(c.OutboundSpi))];
        return there.Any(c => c.IsFallback) && _cpus.All(cpu => there.Any(c => c.Cpu == cpu)) ? null : "SAs are missing";
    }

    /// <summary>Ours as they are told, but for the index, which is new with each writing.</summary>
    private static async Task<string> PoliciesAsync(LabHost host)
    {
        string text = (await KernelLab.IpAsync(host, "xfrm policy list nosock")).EnsureSuccess().Output;
        return string.Join('\n', text.Split("src ").Where(p => p.StartsWith("10.", StringComparison.Ordinal) && p.Contains("reqid", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    /// <summary>What west sends in clear.</summary>
    private static Task<LabCapture> CaptureAsync(KernelLab lab) => lab.CaptureAsync(lab.West, "black", $"src net {lab.Sunset.Red.Network}", snapLength: 128);
}
