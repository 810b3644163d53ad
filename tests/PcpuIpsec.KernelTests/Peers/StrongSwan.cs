using System.Diagnostics;
using System.Globalization;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>A strongSwan in a lab host: its IKE daemon, with a configuration, a control socket and a log of its own.</summary>
internal sealed class StrongSwan : IAsyncDisposable
{
    private const string SocketFile = "charon.vici", SettingsFile = "strongswan.conf", ConnectionsFile = "swanctl.conf", LogFile = "charon.log";
    private static readonly TimeSpan _startTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan _commandTimeout = TimeSpan.FromSeconds(60);

    private readonly LabHost _host;
    private readonly PeerSystem _system;
    private readonly StrongSwanPlane _plane;
    private LabProcess _daemon;

    private StrongSwan(LabHost host, PeerSystem system, StrongSwanPlane plane, LabProcess daemon)
    {
        _host = host;
        _system = system;
        _plane = plane;
        _daemon = daemon;
    }

    /// <summary>All that the daemon logged, over restarts.</summary>
    public StrongSwanLog Log => new(File.Exists(_system.Outside(LogFile)) ? ReadShared(_system.Outside(LogFile)) : "");

    /// <summary>Starts the daemon and waits until it can be spoken to.</summary>
    /// <param name="host">Where it runs.</param>
    /// <param name="system">Where its programs and files are.</param>
    /// <param name="plane">What carries its packets.</param>
    public static async Task<StrongSwan> StartAsync(LabHost host, PeerSystem system, StrongSwanPlane plane)
    {
        Directory.CreateDirectory(system.Folder);
        WritePrivate(system.Outside(SettingsFile), Settings(system, plane, makeBeforeBreak: false));
        return new StrongSwan(host, system, plane, await LaunchAsync(host, system));
    }

    /// <summary>How it reauthenticates from now on.</summary>
    public Task SetMakeBeforeBreakAsync(bool makeBeforeBreak)
    {
        WritePrivate(_system.Outside(SettingsFile), Settings(_system, _plane, makeBeforeBreak));
        return SwanctlAsync("--reload-settings");
    }

    /// <summary>Replaces what it is configured with.</summary>
    public async Task LoadAsync(StrongSwanOptions options, LabHost peer)
    {
        WritePrivate(_system.Outside(ConnectionsFile), options.Write(_host, peer));
        await SwanctlAsync("--load-all", "--file", _system.Inside(ConnectionsFile), "--clear");
    }

    /// <summary>Takes its configuration away, and with it what it holds traffic by.</summary>
    public Task UnloadAsync()
    {
        WritePrivate(_system.Outside(ConnectionsFile), "connections {\n}\n");
        return SwanctlAsync("--load-all", "--file", _system.Inside(ConnectionsFile), "--clear");
    }

    public Task InitiateAsync() => SwanctlAsync("--initiate", "--ike", StrongSwanOptions.Connection, "--child", StrongSwanOptions.Child, "--timeout", "30");

    /// <summary>Initiates where that is to fail; what swanctl said.</summary>
    public async Task<CommandResult> TryInitiateAsync()
        => await RunAsync("--initiate", "--ike", StrongSwanOptions.Connection, "--child", StrongSwanOptions.Child, "--timeout", "30");

    public Task RekeyIkeAsync() => SwanctlAsync("--rekey", "--ike", StrongSwanOptions.Connection);

    public Task ReauthenticateAsync() => SwanctlAsync("--rekey", "--ike", StrongSwanOptions.Connection, "--reauth");

    public Task RekeyChildAsync(PeerChildSa child) => SwanctlAsync("--rekey", "--child-id", Number(child.UniqueId));

    public Task DeleteChildAsync(PeerChildSa child) => SwanctlAsync("--terminate", "--child-id", Number(child.UniqueId), "--timeout", "20");

    public Task DeleteIkeAsync() => SwanctlAsync("--terminate", "--ike", StrongSwanOptions.Connection, "--timeout", "20");

    /// <summary>Deletes all IKE SAs; it is no failure where there are none.</summary>
    public async Task DeleteAllAsync()
    {
        foreach (PeerIkeSa sa in await ListAsync())
            await RunAsync("--terminate", "--ike-id", Number(sa.UniqueId), "--force", "--timeout", "2");
    }

    /// <summary>The IKE SAs that there are, those on their way in or out included.</summary>
    public async Task<IReadOnlyList<PeerIkeSa>> ListAsync()
        => [.. ViciSection.Events((await SwanctlAsync("--list-sas", "--raw")).Output, "list-sa").SelectMany(e => e.Sections.Values).Select(PeerIkeSa.Read)];

    /// <summary>Kills the daemon without a word to its peer, as a machine does that loses its power.</summary>
    public async Task KillAsync()
    {
        _daemon.Signal(Libc.SIGKILL);
        await _daemon.DisposeAsync();
    }

    /// <summary>Starts it again after <see cref="KillAsync"/>; it knows nothing of what it had, not even its connections.</summary>
    public async Task RestartAsync() => _daemon = await LaunchAsync(_host, _system);

    public async ValueTask DisposeAsync()
    {
        if (!_daemon.HasExited)
            await _daemon.StopAsync(Libc.SIGTERM, TimeSpan.FromSeconds(10));
        await _daemon.DisposeAsync();
    }

    private static async Task<LabProcess> LaunchAsync(LabHost host, PeerSystem system)
    {
        File.Delete(system.Outside(SocketFile));
        LabProcess daemon = host.Start(system.Command("/usr/bin/env", "STRONGSWAN_CONF=" + system.Inside(SettingsFile), "/usr/sbin/charon-systemd"));
        long began = Stopwatch.GetTimestamp();
        try
        {
            // It listens on the socket last of all.
            while (!File.Exists(system.Outside(SocketFile)))
            {
                if (daemon.HasExited)
                    throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"charon-systemd ended: {daemon.Error.Trim()}");
                if (Stopwatch.GetElapsedTime(began) > _startTimeout)
                    throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"charon-systemd did not listen within {_startTimeout.TotalSeconds:0} s: {daemon.Error.Trim()}");
                await Task.Delay(20);
            }
            return daemon;
        }
        catch
        {
            await daemon.DisposeAsync();
            throw;
        }
    }

    private async Task<CommandResult> SwanctlAsync(params IReadOnlyList<string> arguments) => (await RunAsync(arguments)).EnsureSuccess();

    private async Task<CommandResult> RunAsync(params IReadOnlyList<string> arguments)
    {
        using var timeout = new CancellationTokenSource(_commandTimeout);
        // env: swanctl reads the settings too, for its plugins.
        return await _host.RunAsync(
            _system.Command("/usr/bin/env", ["STRONGSWAN_CONF=" + _system.Inside(SettingsFile), "/usr/sbin/swanctl", .. arguments, "--uri", "unix://" + _system.Inside(SocketFile)]), timeout.Token);
    }

    private static string Settings(PeerSystem system, StrongSwanPlane plane, bool makeBeforeBreak) => $$"""
        charon-systemd {
          load = random nonce aes sha1 sha2 hmac kdf openssl gcm curve25519 pem pkcs1 pubkey x509 {{(plane == StrongSwanPlane.Process ? "kernel-libipsec " : "")}}kernel-netlink socket-default vici
          plugins {
            vici {
              socket = unix://{{system.Inside(SocketFile)}}
            }
          }
          filelog {
            file {
              path = {{system.Inside(LogFile)}}
              append = yes
              time_format = %H:%M:%S
              time_precision = ms
              default = 1
              ike = 2
              knl = 2
              flush_line = yes
            }
          }
          journal {
            default = -1
          }
          make_before_break = {{(makeBeforeBreak ? "yes" : "no")}}
        }
        swanctl {
          load = random nonce sha1 sha2 hmac openssl pem pkcs1 pubkey x509
        }

        """;

    private static void WritePrivate(string path, string text)
    {
        using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        using var writer = new StreamWriter(file);
        writer.Write(text);
    }

    private static string ReadShared(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return reader.ReadToEnd();
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
