using System.Diagnostics;
using System.Text.Json;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Plane;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>Two of our gateways and two strongSwans put through the same, in the same boot: set-up under load, rekeys, tear-down.</summary>
public sealed class ComparisonTests
{
    private const int PacketsPerSecond = 1000, Rekeys = 20;
    private static readonly TimeSpan _settling = TimeSpan.FromMilliseconds(500);
    private static readonly JsonSerializerOptions _json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    private static readonly IReadOnlyList<int> _cpus = HostCpus.Online();

    [KernelFact]
    public async Task From_the_fallback_on_through_set_up_and_twenty_rekeys_under_load_we_lose_nothing_and_what_two_strongSwans_lose_is_measured_beside()
    {
        string folder = Directory.CreateTempSubdirectory("pcpu-ipsec-compared-").FullName;
        ScriptResult theirs = await RunAsync(async lab => await StrongSwanEnds.StartAsync(lab, _cpus, folder));
        Directory.Delete(folder, recursive: true);
        ScriptResult ours = await RunAsync(async lab => new OurEnds(await GatewayPair.StartAsync(lab)));

        await File.WriteAllTextAsync(
            Path.Combine(GuestMachine.ResultsFolder, "comparison.json"),
            JsonSerializer.Serialize(new { Kernel = HostCpus.KernelRelease(), Cpus = _cpus.Count, PacketsPerSecondAndCpu = PacketsPerSecond, Rekeys, Results = (ScriptResult[])[ours, theirs] }, _json));

        Assert.True(ours is { LostInSetUp: 0, LostInRekeys: 0, XfrmErrors.Count: 0 }, ours.ToString());
        Assert.True(theirs.Sent > 0, theirs.ToString());
    }

    private static async Task<ScriptResult> RunAsync(Func<KernelLab, Task<IGatewayEnds>> start)
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using IGatewayEnds ends = await start(lab);
        await ends.ConnectAsync();

        await using var errors = new XfrmErrors(lab.West, lab.East);
        var flows = _cpus.Select(cpu => UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu, PacketsPerSecond)).ToList();
        long began = Stopwatch.GetTimestamp();
        await ends.PerCpuSasAsync();
        double setUp = Stopwatch.GetElapsedTime(began).TotalSeconds;
        await Task.Delay(_settling);
        double settled = Stopwatch.GetElapsedTime(began).TotalSeconds;

        for (int i = 0; i < Rekeys; i++)
        {
            // A fifth the IKE SA, a fifth the fallback, the rest the CPUs' own; by either end in turn.
            RekeyTarget target = (i / 2 % 5) switch
            {
                0 => RekeyTarget.Ike,
                1 => RekeyTarget.Fallback,
                _ => RekeyTarget.Cpu,
            };
            await ends.RekeyAsync(i % 2 == 0, target, _cpus[i % _cpus.Count]);
        }
        double rekeyed = Stopwatch.GetElapsedTime(began).TotalSeconds;
        FlowResult[] results = await Task.WhenAll(flows.Select(f => f.StopAsync()));
        foreach (UdpFlow flow in flows)
            await flow.DisposeAsync();
        IReadOnlyDictionary<string, long> grown = errors.Grown();

        began = Stopwatch.GetTimestamp();
        await ends.CloseAsync();
        var result = new ScriptResult(
            ends.Name,
            results.Sum(r => r.Sent),
            results.Sum(r => r.Lost.Count(l => l.Second <= settled)),
            results.Sum(r => r.Lost.Count(l => l.Second > settled)),
            results.Sum(r => r.Duplicates),
            setUp,
            rekeyed - settled,
            Stopwatch.GetElapsedTime(began).TotalSeconds,
            grown);
        Console.WriteLine(result);
        return result;
    }

    /// <summary>What the script did to one make.</summary>
    /// <param name="Ends">Whose gateways.</param>
    /// <param name="Sent">Packets that the flows sent.</param>
    /// <param name="LostInSetUp">Lost of what was sent from the moment the fallback was up until each CPU had its own Child SA, and shortly after.</param>
    /// <param name="LostInRekeys">Lost of what was sent from then on.</param>
    /// <param name="Twice">Packets that arrived twice.</param>
    /// <param name="SetUpSeconds">From the fallback until each CPU had its own Child SA.</param>
    /// <param name="RekeySeconds">All rekeys, one after the other.</param>
    /// <param name="TearDownSeconds">Until west's end was deleted.</param>
    /// <param name="XfrmErrors">By host and the kernel's name, until the flows stopped.</param>
    private sealed record ScriptResult(
        string Ends, long Sent, long LostInSetUp, long LostInRekeys, long Twice, double SetUpSeconds, double RekeySeconds, double TearDownSeconds, IReadOnlyDictionary<string, long> XfrmErrors)
    {
        public override string ToString() => FormattableString.Invariant(
            $"two of {Ends}: {Sent} sent, {LostInSetUp} lost in {SetUpSeconds:F1} s of set-up, {LostInRekeys} lost in {RekeySeconds:F1} s of {Rekeys} rekeys, torn down in {TearDownSeconds:F1} s; XFRM errors: {(XfrmErrors.Count == 0 ? "none" : string.Join(", ", XfrmErrors.Select(e => $"{e.Key} {e.Value}")))}");
    }
}
