using System.Diagnostics;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.Host.Control;
using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Gateways as the lab runs them: a process each in its namespace, spoken to over its standard input and output.</summary>
[Collection("namespaces")]
public sealed class GatewayProcessTests
{
    private const string Tunnel = "lab";
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Both_bring_up_a_fallback_and_one_child_sa_per_cpu_and_carry_packets()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using GatewayPairProcesses gateways = await StartAsync(network, "the same key at both");

        await gateways.ConnectAsync(Tunnel, _timeout, CancellationToken.None);
        await gateways.WaitForChildSasAsync(Tunnel, _timeout, CancellationToken.None);
        CommandResult ping = await network.Sunset.RunAsync(new LabCommand("ping", "-c", "3", "-i", "0.01", "-W", "5", network.Sunrise.Address.ToString()), CancellationToken.None);
        GatewaySample sample = await gateways.SampleAsync(CancellationToken.None);

        Assert.Contains(" 3 received", ping.Output);
        IReadOnlyList<int> cpus = HostCpus.Allowed();
        foreach (GatewayStatus gateway in (GatewayStatus[])[sample.West, sample.East])
        {
            IReadOnlyList<ChildSaStatus> children = Assert.Single(gateway.Tunnels).ChildSas;
            Assert.Single(children, c => c.IsFallback);
            Assert.Equal(cpus, children.Where(c => !c.IsFallback).Select(c => c.Cpu!.Value).Order());
            Assert.Equal(3, children.Sum(c => c.PacketsOut));
            Assert.Equal(3, children.Sum(c => c.PacketsIn));
        }
        Assert.All(cpus, c => Assert.Contains(sample.EastCpuOf(c)!.Value, cpus));
        Assert.True(gateways.FallbackUp() <= DateTimeOffset.UtcNow);
    }

    [Fact]
    public async Task A_wrong_key_is_told_within_5_seconds()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using GatewayPairProcesses gateways = await StartAsync(network, "the key of west", "the key of east");
        long began = Stopwatch.GetTimestamp();

        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => gateways.ConnectAsync(Tunnel, _timeout, CancellationToken.None));

        Assert.Equal(PcpuIpsecError.AuthenticationFailed, e.Error);
        Assert.StartsWith("west: ", e.Message);
        Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(5), "It took longer.");
    }

    [Fact]
    public async Task A_cpu_that_is_not_there_is_told()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        using Secret key = Secret.CopyOf("a key of enough length"u8);
        GatewayConfiguration configuration = Configuration(network.West, network.East, key) with { Cpus = [0, 4095] };

        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => GatewayProcess.StartAsync(network.West, configuration, CancellationToken.None));

        Assert.StartsWith("west: ", e.Message);
        Assert.Contains("4095", e.Message);
    }

    [Fact]
    public async Task A_gateway_that_was_killed_is_reported_and_not_waited_for()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using GatewayPairProcesses gateways = await StartAsync(network, "the same key at both");
        using Process west = Process.GetProcessById(gateways.West.Pid);
        west.Kill();

        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => gateways.West.GetStatusAsync(CancellationToken.None));

        Assert.Contains("The gateway west ended", e.Message);
    }

    [Fact]
    public async Task Release_lifts_what_a_killed_gateway_holds_and_nothing_else_does()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        string folder = Directory.CreateTempSubdirectory("pcpu-release-").FullName;
        try
        {
            string file = Path.Combine(folder, "west.json"), key = Path.Combine(folder, "lab.key");
            GatewayConfiguration configuration = Configuration(network.West, network.East, key: null);
            configuration = configuration with { Tunnels = [configuration.Tunnels[0] with { PreSharedKeyFile = key }] };
            await WritePrivateAsync(key, "a key of enough length");
            await WritePrivateAsync(file, configuration.ToString());
            var ping = new LabCommand("ping", "-c", "1", "-W", "1", network.Sunrise.Address.ToString());
            network.AllowPlaintext();
            Assert.Contains(" 1 received", (await network.Sunset.RunAsync(ping, CancellationToken.None)).Output);
            await using (GatewayProcess west = await GatewayProcess.StartAsync(network.West, configuration, CancellationToken.None))
            {
                using Process process = Process.GetProcessById(west.Pid);
                process.Kill();
                await process.WaitForExitAsync();
            }
            Assert.NotEqual(0, (await network.Sunset.RunAsync(ping, CancellationToken.None)).ExitCode);

            (string program, IReadOnlyList<string> arguments) = HostProgram.Command("release", "--config", file);
            CommandResult released = await network.West.RunAsync(new LabCommand(program, arguments), CancellationToken.None);

            Assert.Equal("lab: its traffic is not held any more.", released.Output.Trim());
            CommandResult again = await network.West.RunAsync(new LabCommand(program, arguments), CancellationToken.None);
            Assert.Equal((1, "lab: nothing was held under this name in this network namespace."), (again.ExitCode, again.Output.Trim()));
            Assert.Contains(" 1 received", (await network.Sunset.RunAsync(ping, CancellationToken.None)).Output);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_command_that_is_none_is_answered_with_those_that_are()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using GatewayPairProcesses gateways = await StartAsync(network, "the same key at both");

        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => gateways.West.AskAsync("dance", null, _timeout, CancellationToken.None));
        Assert.Equal($"west: command = 'dance': allowed are {ControlChannel.Commands}.", e.Message);

        e = await Assert.ThrowsAsync<PcpuIpsecException>(() => gateways.West.AskAsync("rekey-child", Tunnel, _timeout, CancellationToken.None));
        Assert.Equal("west: The command 'rekey-child' needs the field 'number'.", e.Message);
    }

    private static async Task WritePrivateAsync(string path, string text)
    {
        await File.WriteAllTextAsync(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static async Task<GatewayPairProcesses> StartAsync(LabNetwork network, string westKey, string? eastKey = null)
    {
        using Secret west = Secret.CopyOf(System.Text.Encoding.ASCII.GetBytes(westKey)), east = Secret.CopyOf(System.Text.Encoding.ASCII.GetBytes(eastKey ?? westKey));
        return await GatewayPairProcesses.StartAsync(
            network, Configuration(network.West, network.East, west), Configuration(network.East, network.West, east), CancellationToken.None);
    }

    private static GatewayConfiguration Configuration(LabHost here, LabHost there, Secret? key) => new()
    {
        Tunnels =
        [
            new TunnelConfiguration
            {
                Name = Tunnel,
                LocalAddress = here.Address.ToString(),
                RemoteAddress = there.Address.ToString(),
                PreSharedKey = key,
                LocalSelectors = [here.Red.Network.ToString()],
                RemoteSelectors = [there.Red.Network.ToString()],
                PerCpu = new PerCpuOptions(),
            },
        ],
    };
}
