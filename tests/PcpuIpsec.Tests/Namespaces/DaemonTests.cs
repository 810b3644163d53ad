using System.Text.RegularExpressions;
using PcpuIpsec.Client;
using PcpuIpsec.Host;
using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Two daemons on one host, one a namespace, as services run them.</summary>
[Collection("namespaces")]
public sealed class DaemonTests
{
    private const string Key = "the same key at both";

    [NamespaceFact("ping")]
    public async Task A_tunnel_that_a_client_makes_carries_packets_on_each_cpu_and_is_there_after_a_kill()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West), east = await TestDaemon.StartAsync(network.East);
        await east.Client.CreateTunnelAsync(Definition(network.East, network.West));
        await west.Client.CreateTunnelAsync(Definition(network.West, network.East) with { StartAction = TunnelStartAction.Initiate });

        TunnelChange started = await west.Client.StartTunnelAsync("lab", allChildSas: true);
        Assert.Equal(TunnelState.Up, started.Tunnel!.State);
        await AssertPingAsync(network);

        IReadOnlyList<ChildSa> children = await west.Client.GetChildSasAsync();
        Assert.Equal(HostCpus.Allowed(), children.Where(c => !c.IsFallback).Select(c => c.Cpu!.Value).Order());
        Assert.Equal(3, children.Sum(c => c.PacketsOut));
        ChildSa moved = children.First(c => !c.IsFallback);
        Assert.NotEqual(moved.InboundSpi, (await west.Client.RekeyChildSaAsync("lab", moved.Number)).InboundSpi);

        await west.KillAsync();
        network.AllowPlaintext();
        Assert.NotEqual(0, (await PingAsync(network)).ExitCode);
        await west.StartAsync();

        Tunnel tunnel = Assert.Single(await west.Client.GetTunnelsAsync());
        Assert.Equal("lab", tunnel.Name);
        await west.Client.StartTunnelAsync("lab", allChildSas: true);
        await AssertPingAsync(network);
        // The peer dropped what the killed daemon had (INITIAL_CONTACT, RFC 7296 §2.4).
        Assert.Equal(children.Count, (await east.Client.GetChildSasAsync()).Count);
    }

    [NamespaceFact("ping")]
    public async Task A_stop_holds_the_traffic_and_a_removal_lets_it_go()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        network.AllowPlaintext();
        Leavings before = Leavings.Of(network.West.Namespace);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West);
        await west.Client.CreateTunnelAsync(Definition(network.West, network.East));

        Assert.Equal(0, await west.StopAsync());
        Assert.Equal([west.SocketPath + ".lock", west.TunnelsFolder], Directory.GetFileSystemEntries(west.Folder).Order(StringComparer.Ordinal));
        Assert.NotEqual(0, (await PingAsync(network)).ExitCode);
        // What holds, by the embedded plane's mark, and nothing else.
        Assert.All(Leavings.Of(network.West.Namespace).Since(before), line => Assert.Contains("proto 196", line));

        await west.StartAsync();
        await west.Client.DeleteTunnelAsync("lab");
        Assert.Equal(0, (await PingAsync(network)).ExitCode);
    }

    [NamespaceFact("ping")]
    public async Task A_daemon_that_releases_on_stop_leaves_nothing()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        network.AllowPlaintext();
        Leavings before = Leavings.Of(network.West.Namespace);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West, "--on-stop", "release"), east = await TestDaemon.StartAsync(network.East);
        await east.Client.CreateTunnelAsync(Definition(network.East, network.West));
        await west.Client.CreateTunnelAsync(Definition(network.West, network.East));
        // A second one, whose peer is silent.
        await west.Client.CreateTunnelAsync(Definition(network.West, network.East) with { Name = "silent", RemoteAddress = "192.0.2.99", RemoteSelectors = ["10.99.0.0/24"], StartAction = TunnelStartAction.Initiate });
        await west.Client.StartTunnelAsync("lab", allChildSas: true);
        Assert.NotEmpty(Leavings.Of(network.West.Namespace).Since(before));

        Assert.Equal(0, await west.StopAsync());

        Assert.Empty(Leavings.Of(network.West.Namespace).Since(before));
        Assert.Empty(before.Since(Leavings.Of(network.West.Namespace)));
        // The peer was told.
        await TestDaemon.UntilAsync(async () => (await east.Client.GetChildSasAsync()).Count == 0);
        await east.Client.DeleteTunnelAsync("lab");
        Assert.Equal(0, (await PingAsync(network)).ExitCode);
    }

    [NamespaceFact]
    public async Task A_daemon_of_a_session_ends_with_its_input_and_not_by_an_interrupt_and_leaves_nothing()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        Leavings before = Leavings.Of(network.West.Namespace);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West, "--until-input-ends", "--on-stop", "forget");
        await west.Client.CreateTunnelAsync(Definition(network.West, network.East));

        west.Signal(Libc.SIGINT);
        await Task.Delay(200);
        await west.Client.GetInfoAsync();

        Assert.Equal(0, await west.EndInputAsync());
        Assert.Empty(Leavings.Of(network.West.Namespace).Since(before));
        Assert.False(Directory.Exists(west.TunnelsFolder));
    }

    [NamespaceFact]
    public async Task A_hangup_reads_the_folder_anew()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West);
        await west.Client.CreateTunnelAsync(Definition(network.West, network.East));

        File.Delete(Path.Combine(west.TunnelsFolder, "lab.json"));
        west.Signal(Libc.SIGHUP);

        await TestDaemon.UntilAsync(async () => (await west.Client.GetTunnelsAsync()).Count == 0);
    }

    [NamespaceFact]
    public async Task What_a_tunnel_holds_that_is_declared_no_more_the_next_daemon_warns_of()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West);
        await west.Client.CreateTunnelAsync(Definition(network.West, network.East));
        await west.KillAsync();
        File.Delete(Path.Combine(west.TunnelsFolder, "lab.json"));

        await west.StartAsync();

        Assert.Contains($"{network.West.Red.Network} to {network.East.Red.Network}: held here by the tunnel 'lab' that {west.TunnelsFolder} does not declare", west.Errors);
    }

    [NamespaceFact]
    public async Task A_second_daemon_at_the_same_folder_socket_or_namespace_is_refused_and_changes_nothing()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West);

        CommandResult second = await network.West.RunAsync(west.Command(), CancellationToken.None);
        Assert.Equal(1, second.ExitCode);
        Assert.Contains("a daemon works with this folder", second.Error);
        (string program, IReadOnlyList<string> arguments) = HostProgram.Command("serve", "--socket", west.SocketPath, "--tunnels", Directory.CreateDirectory(Path.Combine(west.Folder, "others.d")).FullName);
        CommandResult third = await network.East.RunAsync(new LabCommand(program, arguments), CancellationToken.None);
        Assert.Equal(1, third.ExitCode);
        Assert.Contains("another daemon listens there", third.Error);
        (program, arguments) = HostProgram.Command("serve", "--socket", west.SocketPath + "2", "--tunnels", Path.Combine(west.Folder, "others.d"));
        CommandResult fourth = await network.West.RunAsync(new LabCommand(program, arguments), CancellationToken.None);
        Assert.Equal(1, fourth.ExitCode);
        Assert.Contains("Another pcpu-ipsec works in this network namespace", fourth.Error);
        Assert.Empty(await west.Client.GetTunnelsAsync());
    }

    [NamespaceFact("setpriv", "curl")]
    public async Task A_user_who_may_not_is_refused_even_where_the_mode_lets_him()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West);
        File.SetUnixFileMode(west.SocketPath, (UnixFileMode)0b110_110_110);
        File.SetUnixFileMode(west.Folder, (UnixFileMode)0b111_101_101);

        CommandResult result = await network.West.RunAsync(
            new LabCommand("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "curl", "-s", "--unix-socket", west.SocketPath, "http://d/v1/tunnels"),
            CancellationToken.None);

        Assert.Contains("\"status\":403", result.Output);
        Assert.Contains("User 65534 may not use this socket", result.Output);
    }

    [NamespaceFact("setpriv", "curl", "getent")]
    public async Task A_member_of_the_group_is_let_in_and_nobody_else()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West, "--group", "daemon");
        File.SetUnixFileMode(west.Folder, (UnixFileMode)0b111_101_101);
        string group = (await network.West.RunAsync(new LabCommand("getent", "group", "daemon"), CancellationToken.None)).EnsureSuccess().Output.Split(':')[2];

        Assert.Equal((UnixFileMode)0b110_110_000, File.GetUnixFileMode(west.SocketPath));
        Assert.Equal("200", await AskAsync("--groups", group));
        Assert.Equal("000", await AskAsync("--clear-groups"));

        async Task<string> AskAsync(params string[] groups) => (await network.West.RunAsync(
            new LabCommand("setpriv", ["--reuid", "65534", "--regid", "65534", .. groups, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", west.SocketPath, "http://d/v1/tunnels"]),
            CancellationToken.None)).Output.Trim();
    }

    /// <summary>As they are written, but for the addresses, what jq would show, and the CPU, of which a host may have too few.</summary>
    [NamespaceFact("bash", "curl")]
    public async Task The_examples_for_curl_work()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using TestDaemon west = await TestDaemon.StartAsync(network.West), east = await TestDaemon.StartAsync(network.East);
        await east.Client.CreateTunnelAsync(Definition(network.East, network.West));
        string key = Path.Combine(west.Folder, "lab.key");
        await File.WriteAllTextAsync(key, Key);
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        string example = await File.ReadAllTextAsync(Path.Combine(Measurement.ResultsFileTests.RepositoryRoot(), "examples", "curl.md"));
        string script = example.Split("```sh")[1].Split("```")[0];
        script = Regex.Replace(script, @" \| jq .*$", "", RegexOptions.Multiline)
            .Replace("/run/pcpu-ipsec/pcpu-ipsec.sock", west.SocketPath).Replace("/etc/pcpu-ipsec/lab.key", key)
            .Replace("203.0.113.1", $"{network.West.Address}").Replace("203.0.113.2", $"{network.East.Address}")
            .Replace("10.1.0.0/24", $"{network.West.Red.Network}").Replace("10.2.0.0/24", $"{network.East.Red.Network}")
            .Replace("ask -N http://d/v1/events", "ask -N -m 1 http://d/v1/events || [ $? -eq 28 ]");
        script = string.Join('\n', script.Split('\n').Where(line => !line.Contains("/move")));
        CommandResult result = await network.West.RunAsync(new LabCommand("bash", "-euo", "pipefail", "-c", script), CancellationToken.None);

        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        Assert.Contains("\"state\":\"up\"", result.Output);
        Assert.Empty(await west.Client.GetTunnelsAsync());
    }

    [NamespaceFact("ip")]
    public async Task A_key_comes_from_a_credential_of_the_service()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        DirectoryInfo credentials = Directory.CreateTempSubdirectory("pcpu-credentials-");
        try
        {
            string file = Path.Combine(credentials.FullName, "psk");
            await File.WriteAllTextAsync(file, Key);
            File.SetUnixFileMode(file, UnixFileMode.UserRead);
            await using TestDaemon west = await TestDaemon.StartAsync(network.West, new Dictionary<string, string> { ["CREDENTIALS_DIRECTORY"] = credentials.FullName });
            await using TestDaemon east = await TestDaemon.StartAsync(network.East);
            await west.Client.CreateTunnelAsync(Definition(network.West, network.East) with { PreSharedKey = null, PreSharedKeyCredential = "psk" });
            await east.Client.CreateTunnelAsync(Definition(network.East, network.West));

            // The peer has the same key: else it came to no end.
            await west.Client.StartTunnelAsync("lab");
        }
        finally
        {
            credentials.Delete(recursive: true);
        }
    }

    internal static TunnelDefinition Definition(LabHost here, LabHost there) => new()
    {
        Name = "lab",
        LocalAddress = here.Address.ToString(),
        RemoteAddress = there.Address.ToString(),
        LocalSelectors = [here.Red.Network.ToString()],
        RemoteSelectors = [there.Red.Network.ToString()],
        PreSharedKey = PreSharedKey.CopyOf(System.Text.Encoding.UTF8.GetBytes(Key)),
        PerCpu = new PerCpuDefinition(),
    };

    internal static async Task AssertPingAsync(LabNetwork network) => Assert.Contains(" 3 received", (await PingAsync(network)).Output);

    private static Task<CommandResult> PingAsync(LabNetwork network)
        => network.Sunset.RunAsync(new LabCommand("ping", "-c", "3", "-i", "0.1", "-W", "1", network.Sunrise.Address.ToString()), CancellationToken.None);
}
