using System.Diagnostics;
using System.Globalization;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>A strongSwan in a lab host: its IKE daemon, with a configuration, a control socket and a log of its own.</summary>
internal sealed class StrongSwan : IAsyncDisposable
{
    private const string SocketFile = "charon.vici", SettingsFile = "strongswan.conf", LogFile = "charon.log";
    private static readonly TimeSpan _startTimeout = TimeSpan.FromSeconds(30);

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
    public StrongSwanLog Log => new(PeerFiles.ReadShared(_system.Outside(LogFile)));

    private ViciClient Vici => new(_system.Outside(SocketFile));

    private static ViciSection Initiation => new() { { "ike", StrongSwanOptions.Connection }, { "child", StrongSwanOptions.Child }, { "timeout", "30000" } };

    /// <summary>Starts the daemon and waits until it can be spoken to.</summary>
    /// <param name="host">Where it runs.</param>
    /// <param name="system">Where its programs and files are.</param>
    /// <param name="plane">What carries its packets.</param>
    public static async Task<StrongSwan> StartAsync(LabHost host, PeerSystem system, StrongSwanPlane plane)
    {
        Directory.CreateDirectory(system.Folder);
        PeerFiles.WritePrivate(system.Outside(SettingsFile), Settings(system, plane, makeBeforeBreak: false));
        return new StrongSwan(host, system, plane, await LaunchAsync(host, system));
    }

    /// <summary>"6.1.0".</summary>
    public async Task<string> VersionAsync() => (await Vici.CallAsync("version", [])).Require("version");

    /// <summary>How it reauthenticates from now on.</summary>
    public async Task SetMakeBeforeBreakAsync(bool makeBeforeBreak)
    {
        PeerFiles.WritePrivate(_system.Outside(SettingsFile), Settings(_system, _plane, makeBeforeBreak));
        await Vici.CallAsync("reload-settings", []);
    }

    /// <summary>Replaces what it is configured with.</summary>
    public async Task LoadAsync(StrongSwanOptions options, LabHost peer)
    {
        await Vici.CallAsync("clear-creds", []);
        await Vici.CallAsync("load-shared", options.Secret(_host, peer));
        await Vici.CallAsync("load-conn", new() { { StrongSwanOptions.Connection, options.Configuration(_host, peer) } });
    }

    /// <summary>Takes its configuration away, and with it what it holds traffic by.</summary>
    public async Task UnloadAsync()
    {
        await Vici.CallAsync("unload-conn", new() { { "name", StrongSwanOptions.Connection } });
        await Vici.CallAsync("clear-creds", []);
    }

    public Task InitiateAsync() => Vici.CallAsync("initiate", Initiation);

    /// <summary>Initiates where that is to fail; whether it did.</summary>
    public async Task<bool> FailsToInitiateAsync() => (await Vici.TryAsync("initiate", Initiation))["success"] == "no";

    public Task RekeyIkeAsync() => Vici.CallAsync("rekey", new() { { "ike", StrongSwanOptions.Connection } });

    public Task ReauthenticateAsync() => Vici.CallAsync("rekey", new() { { "ike", StrongSwanOptions.Connection }, { "reauth", "yes" } });

    public Task RekeyChildAsync(PeerChildSa child) => Vici.CallAsync("rekey", new() { { "child-id", Number(child.UniqueId) } });

    public Task DeleteChildAsync(PeerChildSa child) => Vici.CallAsync("terminate", new() { { "child-id", Number(child.UniqueId) }, { "timeout", "20000" } });

    public Task DeleteIkeAsync() => Vici.CallAsync("terminate", new() { { "ike", StrongSwanOptions.Connection }, { "timeout", "20000" } });

    /// <summary>Deletes all IKE SAs; it is no failure where there are none.</summary>
    public async Task DeleteAllAsync()
    {
        foreach (PeerIkeSa sa in await ListAsync())
            await Vici.TryAsync("terminate", new() { { "ike-id", Number(sa.UniqueId) }, { "force", "yes" }, { "timeout", "2000" } });
    }

    /// <summary>The IKE SAs that there are, those on their way in or out included.</summary>
    public async Task<IReadOnlyList<PeerIkeSa>> ListAsync()
        => [.. (await Vici.StreamAsync("list-sas", "list-sa")).SelectMany(e => e.Sections).Select(PeerIkeSa.Read)];

    /// <summary>
    /// Deletes what it left in its kernel. An acquire that was refused stays there for as long as the daemon has set (165 s),
    /// and keeps CPUs without an SA from raising another.
    /// </summary>
    public void EmptyKernel()
    {
        if (_plane == StrongSwanPlane.Kernel)
            PeerKernel.Empty(_host);
    }

    /// <summary>Kills the daemon without a word to its peer, and empties its kernel, as when a machine loses its power.</summary>
    public async Task KillAsync()
    {
        _daemon.Signal(Libc.SIGKILL);
        await _daemon.DisposeAsync();
        EmptyKernel();
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
        """;

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
