using System.Diagnostics;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Daemons as the lab runs them: a process each in its namespace.</summary>
[Collection("namespaces")]
public sealed class LabDaemonTests
{
    private const string Tunnel = "lab";
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Both_bring_up_a_fallback_and_one_child_sa_per_cpu_and_carry_packets()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using LabDaemonPair gateways = await StartAsync(network, "the same key at both");

        await gateways.ConnectAsync(Tunnel, _timeout, CancellationToken.None);
        await gateways.WaitForChildSasAsync(Tunnel, _timeout, CancellationToken.None);
        CommandResult ping = await network.Sunset.RunAsync(new LabCommand("ping", "-c", "3", "-i", "0.01", "-W", "5", network.Sunrise.Address.ToString()), CancellationToken.None);
        GatewaySample sample = await gateways.SampleAsync(CancellationToken.None);

        Assert.Contains(" 3 received", ping.Output);
        IReadOnlyList<int> cpus = HostCpus.Allowed();
        foreach (GatewayView gateway in (GatewayView[])[sample.West, sample.East])
        {
            Assert.Single(gateway.ChildSas, c => c.IsFallback);
            Assert.Equal(cpus, gateway.ChildSas.Where(c => !c.IsFallback).Select(c => c.Cpu!.Value).Order());
            Assert.Equal(3, gateway.ChildSas.Sum(c => c.PacketsOut));
            Assert.Equal(3, gateway.ChildSas.Sum(c => c.PacketsIn));
        }
        Assert.All(cpus, c => Assert.Contains(sample.EastCpuOf(c)!.Value, cpus));
        Assert.True(await gateways.FallbackUpAsync(CancellationToken.None) <= DateTimeOffset.UtcNow);
    }

    [Fact]
    public async Task A_wrong_key_is_told_within_5_seconds()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using LabDaemonPair gateways = await StartAsync(network, "the key of west", "the key of east");
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

        var e = await Assert.ThrowsAsync<PcpuIpsecException>(
            () => LabDaemon.StartAsync(network.West, DataPlaneKind.Auto, [0, 4095], Definition(network.West, network.East, "a key"), CancellationToken.None));

        Assert.StartsWith("west: ", e.Message);
        Assert.Contains("4095", e.Message);
    }

    [Fact]
    public async Task A_gateway_that_was_killed_is_reported_and_not_waited_for()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using LabDaemonPair gateways = await StartAsync(network, "the same key at both");
        using Process west = Process.GetProcessById(gateways.West.Pid);
        west.Kill();

        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => gateways.SampleAsync(CancellationToken.None));

        Assert.Contains("The gateway west ended", e.Message);
    }

    [Fact]
    public async Task Release_lifts_what_a_killed_daemon_holds_and_nothing_else_does()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West);
        var ping = new LabCommand("ping", "-c", "1", "-W", "1", network.Sunrise.Address.ToString());
        network.AllowPlaintext();
        Assert.Contains(" 1 received", (await network.Sunset.RunAsync(ping, CancellationToken.None)).Output);
        await west.Client.CreateTunnelAsync(Definition(network.West, network.East, "a key"));
        (string program, IReadOnlyList<string> arguments) = HostProgram.Command("release", "--tunnels", west.TunnelsFolder);
        CommandResult early = await network.West.RunAsync(new LabCommand(program, arguments), CancellationToken.None);
        Assert.Equal(1, early.ExitCode);
        Assert.Contains("a daemon works with this folder", early.Error);
        await west.KillAsync();
        Assert.NotEqual(0, (await network.Sunset.RunAsync(ping, CancellationToken.None)).ExitCode);

        CommandResult released = await network.West.RunAsync(new LabCommand(program, arguments), CancellationToken.None);

        Assert.Equal("lab: its traffic is not held any more.", released.Output.Trim());
        CommandResult again = await network.West.RunAsync(new LabCommand(program, arguments), CancellationToken.None);
        Assert.Equal((1, "lab: nothing was held under this name in this network namespace."), (again.ExitCode, again.Output.Trim()));
        Assert.Contains(" 1 received", (await network.Sunset.RunAsync(ping, CancellationToken.None)).Output);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Release_takes_neither_the_key_nor_an_address_of_the_tunnel_and_of_one_that_is_named_not_even_its_declaration(bool declared)
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West);
        await west.Client.CreateTunnelAsync(Definition(network.West, network.East, "a key"));
        await west.KillAsync();
        File.Delete(Path.Combine(west.TunnelsFolder, "lab.key"));
        (await network.West.RunAsync(new LabCommand("ip", "address", "flush", "dev", network.West.Black!.Name), CancellationToken.None)).EnsureSuccess();

        if (!declared)
            File.Delete(Path.Combine(west.TunnelsFolder, "lab.json"));

        (string program, IReadOnlyList<string> arguments) = HostProgram.Command(["release", "--tunnels", west.TunnelsFolder, .. declared ? (string[])[] : ["--tunnel", "lab", "--tunnel", "lab"]]);
        CommandResult released = await network.West.RunAsync(new LabCommand(program, arguments), CancellationToken.None);

        Assert.Equal((0, "lab: its traffic is not held any more."), (released.ExitCode, released.Output.Trim()));
    }

    private static Task<LabDaemonPair> StartAsync(LabNetwork network, string westKey, string? eastKey = null)
        => LabDaemonPair.StartAsync(
            network, DataPlaneKind.Auto, HostCpus.Allowed(), Definition(network.West, network.East, westKey), Definition(network.East, network.West, eastKey ?? westKey), CancellationToken.None);

    private static TunnelDefinition Definition(LabHost here, LabHost there, string key) => new()
    {
        Name = Tunnel,
        LocalAddress = here.Address.ToString(),
        RemoteAddress = there.Address.ToString(),
        PreSharedKey = PreSharedKey.CopyOf(System.Text.Encoding.ASCII.GetBytes(key)),
        LocalSelectors = [here.Red.Network.ToString()],
        RemoteSelectors = [there.Red.Network.ToString()],
        PerCpu = new PerCpuDefinition(),
    };
}
