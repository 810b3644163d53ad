using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Vm;
using PcpuIpsec.Lab;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>
/// A tunnel with a Child SA for each of 128 CPUs. The kernel binds an SA to any possible CPU, of which only four are emulated;
/// a gateway serves those that are online, so that they all are is what it reads here.
/// </summary>
public sealed class PlaneManyCpusTests(ITestOutputHelper output)
{
    private const int Cpus = 128;
    private const string OnlineFile = "/sys/devices/system/cpu/online";

    [KernelFact(Machine = Machine.ManyCpus)]
    public async Task A_tunnel_for_128_CPUs_comes_up_is_rekeyed_and_goes_down_without_a_trace()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using AllOnline online = await AllOnline.SayAsync();
        Assert.Equal(Enumerable.Range(0, Cpus), HostCpus.Possible());
        await using var errors = new XfrmErrors(lab.West, lab.East);
        await using GatewayPair pair = await GatewayPair.StartAsync(lab);
        long begun = Environment.TickCount64;
        await pair.ConnectAsync();
        output.WriteLine($"Up after {Seconds(begun):F1} s");

        // Inbound there may be more: where this took so long that east began as well there are two a CPU, until it is quiet.
        foreach (LabHost host in (LabHost[])[lab.West, lab.East])
        {
            await PlaneWait.UntilAsync(async () =>
            {
                List<int?> bound = [.. (await KernelLab.SasAsync(host)).Where(s => s.Direction == "out").Select(s => s.Cpu).Order()];
                return bound.SequenceEqual([null, .. Enumerable.Range(0, Cpus).Select(c => (int?)c)]) ? null : $"{host.Name} has {bound.Count} SAs out, for the CPUs {string.Join(',', bound)}";
            });
        }

        // A flow on each CPU that there really is, while everything gets new keys.
        TwoWayFlows flows = TwoWayFlows.Start(lab.Sunset, lab.Sunrise, Enumerable.Range(0, 4).ToList(), 50);
        HashSet<uint> before = [.. (await GatewayPair.StatusAsync(pair.West)).ChildSas.Select(c => c.OutboundSpi)];
        begun = Environment.TickCount64;
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        foreach (ChildSaStatus child in (await GatewayPair.StatusAsync(pair.West)).ChildSas.Where(c => c.OutboundInstalled))
            await pair.West.RekeyChildSaAsync(GatewayPair.Tunnel, child.Number, timeout.Token);
        output.WriteLine($"129 Child SAs rekeyed in {Seconds(begun):F1} s");
        await flows.StopAsync();
        output.WriteLine(flows.ToString());
        flows.AssertNoneLost(errors);
        errors.AssertNone();
        IReadOnlyList<ChildSaStatus> after = [.. (await GatewayPair.StatusAsync(pair.West)).ChildSas.Where(c => c.OutboundInstalled)];
        Assert.Equal(1 + Cpus, after.Count);
        Assert.DoesNotContain(after, c => before.Contains(c.OutboundSpi));

        begun = Environment.TickCount64;
        await pair.West.RemoveTunnelAsync(GatewayPair.Tunnel, timeout.Token);
        await pair.East.RemoveTunnelAsync(GatewayPair.Tunnel, timeout.Token);
        output.WriteLine($"Down after {Seconds(begun):F1} s");
        foreach (LabHost host in (LabHost[])[lab.West, lab.East])
        {
            Assert.Equal("", (await KernelLab.IpAsync(host, "xfrm state")).EnsureSuccess().Output);
            Assert.Equal("", (await KernelLab.IpAsync(host, "xfrm policy list nosock")).EnsureSuccess().Output);
        }
    }

    [KernelFact(Machine = Machine.ManyCpus)]
    public async Task CPU_128_is_refused_with_what_is_allowed()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using AllOnline online = await AllOnline.SayAsync();

        PcpuIpsecException refused = await Assert.ThrowsAsync<PcpuIpsecException>(() => IpsecGateway.StartAsync(new GatewayOptions
        {
            DataPlane = DataPlaneKind.Kernel,
            NetworkNamespace = lab.West.Namespace.Path,
            Cpus = [0, Cpus],
        }));

        Assert.Equal(PcpuIpsecError.InvalidOption, refused.Error);
        Assert.Contains("CPU 128 is not online; online are 0-127", refused.Message, StringComparison.Ordinal);
    }

    private static double Seconds(long since) => (Environment.TickCount64 - since) / 1000.0;

    /// <summary>Puts another text in the place of the kernel's list of online CPUs, in this VM.</summary>
    private sealed class AllOnline : IAsyncDisposable
    {
        public static async Task<AllOnline> SayAsync()
        {
            string text = Path.Combine(GuestMachine.TestFolder, "online");
            await File.WriteAllTextAsync(text, $"0-{Cpus - 1}\n");
            await ShellAsync($"mount --bind {text} {OnlineFile}");
            return new AllOnline();
        }

        public async ValueTask DisposeAsync() => await ShellAsync("umount " + OnlineFile);

        private static async Task ShellAsync(string script)
        {
            using var process = System.Diagnostics.Process.Start("sh", ["-c", script]);
            await process.WaitForExitAsync();
            Assert.Equal(0, process.ExitCode);
        }
    }
}
