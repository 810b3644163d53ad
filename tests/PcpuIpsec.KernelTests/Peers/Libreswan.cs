using System.Diagnostics;
using System.Text.RegularExpressions;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>A libreswan in a lab host of the VM: its IKE daemon pluto, with a configuration, a key database and a log of its own.</summary>
internal sealed partial class Libreswan : IAsyncDisposable
{
    private const string Connection = "lab", Programs = "/usr/libexec/ipsec/";
    private static readonly TimeSpan _startTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan _commandTimeout = TimeSpan.FromSeconds(60);

    // Its key database is empty: it need not measure the file system with thousands of accesses, nor stretch a password.
    private static readonly Dictionary<string, string> _environment = new() { ["NSS_SDB_USE_CACHE"] = "no", ["NSS_MAX_MP_PBE_ITERATION_COUNT"] = "1" };

    private readonly LabHost _host;
    private readonly string _folder;
    private readonly LabProcess _daemon;

    private Libreswan(LabHost host, string folder, LabProcess daemon) => (_host, _folder, _daemon) = (host, folder, daemon);

    /// <summary>All that it logged.</summary>
    public string Log => PeerFiles.ReadShared(Path.Combine(_folder, "pluto.log"));

    /// <summary>Starts it with a connection to a peer, which is not initiated yet.</summary>
    public static async Task<Libreswan> StartAsync(LabHost host, LabHost peer, string folder, string key)
    {
        PeerFiles.WritePrivate(Path.Combine(folder, "ipsec.conf"), Configuration(host, peer));
        PeerFiles.WritePrivate(Path.Combine(folder, "ipsec.secrets"), $"{host.Address} {peer.Address} : PSK \"{key}\"\n");
        string keys = Directory.CreateDirectory(Path.Combine(folder, "nss")).FullName;
        using var timeout = new CancellationTokenSource(_startTimeout);
        (await host.RunAsync(new LabCommand("certutil", "-N", "-d", "sql:" + keys, "--empty-password") { Environment = _environment }, timeout.Token)).EnsureSuccess();
        LabProcess daemon = host.Start(new LabCommand(
            Programs + "pluto", "--nofork", "--nhelpers", "0", "--config", Path.Combine(folder, "ipsec.conf"), "--secretsfile", Path.Combine(folder, "ipsec.secrets"),
            "--nssdir", keys, "--rundir", folder, "--logfile", Path.Combine(folder, "pluto.log"))
        { Environment = _environment });
        var started = new Libreswan(host, folder, daemon);
        try
        {
            await started.ReadyAsync();
            return started;
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    public Task InitiateAsync() => WhackAsync("--initiate");

    public Task RekeyIkeAsync() => WhackAsync("--rekey-ike");

    public Task RekeyChildAsync() => WhackAsync("--rekey-child");

    public Task DeleteChildAsync() => WhackAsync("--down-child");

    public Task DeleteIkeAsync() => WhackAsync("--down-ike");

    /// <summary>Forgets the connection with all its SAs, and reads it anew.</summary>
    public async Task ResetAsync() => (await RunAsync("addconn", "--config", Path.Combine(_folder, "ipsec.conf"), "--ctlsocket", Control, Connection)).EnsureSuccess();

    /// <summary>What it has, in its own words.</summary>
    public async Task<string> StatesAsync() => (await RunAsync("whack", "--ctlsocket", Control, "--showstates")).EnsureSuccess().Output;

    /// <summary>
    /// What it found wrong with messages of its peer; but for the response to its Delete of an IKE SA that it rekeyed, which
    /// RFC 7296 §1.4.1 has its peer send and which it does not wait for.
    /// </summary>
    public static IReadOnlyList<string> Warnings(string log)
        => [.. log.Split('\n').Where(l => ComplaintPattern().IsMatch(l) && !l.EndsWith("INFORMATIONAL response has no corresponding IKE SA; message dropped", StringComparison.Ordinal))];

    public async ValueTask DisposeAsync()
    {
        if (!_daemon.HasExited)
            await _daemon.StopAsync(Libc.SIGTERM, TimeSpan.FromSeconds(10));
        await _daemon.DisposeAsync();
    }

    private string Control => Path.Combine(_folder, "pluto.ctl");

    private async Task ReadyAsync()
    {
        long began = Stopwatch.GetTimestamp();
        while (!File.Exists(Control))
        {
            if (_daemon.HasExited)
                throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"pluto ended: {_daemon.Error.Trim()}");
            if (Stopwatch.GetElapsedTime(began) > _startTimeout)
                throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"pluto did not listen within {_startTimeout.TotalSeconds:0} s: {_daemon.Error.Trim()}");
            await Task.Delay(20);
        }
        (await RunAsync("whack", "--ctlsocket", Control, "--listen")).EnsureSuccess();
        await ResetAsync();
    }

    private async Task WhackAsync(string what) => (await RunAsync("whack", "--ctlsocket", Control, what, "--name", Connection)).EnsureSuccess();

    private async Task<CommandResult> RunAsync(string program, params IReadOnlyList<string> arguments)
    {
        using var timeout = new CancellationTokenSource(_commandTimeout);
        return await _host.RunAsync(new LabCommand(Programs + program, arguments), timeout.Token);
    }

    // Its suites are its own defaults, as ours are; without a key exchange for each Child SA, which ours do not have. The routes that its scripts would set are there.
    private static string Configuration(LabHost here, LabHost there) => $"""
        config setup
        	logappend=yes
        	logtime=yes

        conn {Connection}
        	keyexchange=ikev2
        	authby=secret
        	left={here.Address}
        	leftsubnet={here.Red.Network}
        	leftupdown=%disabled
        	right={there.Address}
        	rightsubnet={there.Red.Network}
        	mobike=no
        	pfs=no
        	auto=add

        """;

    // That it is still busy with an earlier copy of a message is its own slowness.
    [GeneratedRegex(@"^(?!.*(in-progress Message ID|retransmi))[^|]*\b(malformed|invalid|unexpected|unknown|unrecogni[sz]ed|unsupported|ignored|ignoring|dropped|dropping|discarded|discarding|missing|corrupt|bogus|EXPECTATION FAILED)\b", RegexOptions.IgnoreCase)]
    private static partial Regex ComplaintPattern();
}
