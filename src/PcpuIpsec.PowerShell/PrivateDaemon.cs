using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>A daemon of one session, which ends with it and lets its tunnels' traffic go then.</summary>
internal sealed class PrivateDaemon : IDisposable
{
    // Of the daemon's log: who holds, as its traffic is written.
    private const string HeldHere = ": held here by ";
    private const string What = "No daemon runs on this host (systemctl start pcpu-ipsec), and a private one";
    private static readonly TimeSpan _readyTimeout = TimeSpan.FromSeconds(30), _pause = TimeSpan.FromMilliseconds(50);

    private readonly SessionFolder _folder;
    private readonly SessionProgram _program;

    private PrivateDaemon(SessionFolder folder)
    {
        _folder = folder;
        // A killed one's would look as if it were ready.
        File.Delete(SocketPath);
        _program = new SessionProgram(What, ["serve", "--socket", SocketPath, "--tunnels", folder.Tunnels, "--on-stop", "forget", "--until-input-ends", "--log", "warning"]);
    }

    public string SocketPath => Path.Combine(_folder.Path, "s.sock");

    public bool HasExited => _program.HasExited;

    /// <summary>The traffic that another session's daemon left held, and the session has told of.</summary>
    public IReadOnlySet<string> Told { get; set; } = new HashSet<string>();

    /// <summary>What it logged since this was asked last, but for what was told.</summary>
    public IReadOnlyList<string> TakeWarnings() => [.. _program.TakeSaid().Where(w => w.Split(HeldHere) is not [var traffic, _] || !traffic.Split(", ").All(Told.Contains))];

    /// <summary>It ended without a word: what it held is held, and what was declared is in its folder.</summary>
    public bool WasKilled => HasExited && Directory.Exists(_folder.Tunnels);

    public static async Task<PrivateDaemon> StartAsync(CancellationToken cancellationToken)
    {
        SessionProgram.CheckRoot(What);
        SessionFolder folder = SessionFolder.Create();
        try
        {
            return await StartAsync(folder, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Starts one in the place of this one, which was killed, with its tunnels.</summary>
    public Task<PrivateDaemon> RestartAsync(CancellationToken cancellationToken) => StartAsync(_folder, cancellationToken);

    /// <summary>Lets go of what is left of one that was killed; its folder is the next one's.</summary>
    public void Leave() => _program.Dispose();

    /// <exception cref="DaemonException">Traffic stays held; the message says how it is let go.</exception>
    public void Dispose()
    {
        _program.Dispose();
        // It removes them when it ends, unless it was killed, also by us, or could not let them go.
        string tunnels = _folder.Tunnels;
        if (DeclaredTunnels.Names(tunnels) is { Count: > 0 } names && Release(tunnels) is { Length: > 0 } fault)
        {
            DeclaredTunnels.DeleteKeys(tunnels);
            throw new DaemonException("host-unable", $"The traffic of {string.Join(", ", names)} stays held: {fault} '{SessionProgram.ReleaseCommand(tunnels)}' lets it go.");
        }
        _folder.Dispose();
    }

    private static async Task<PrivateDaemon> StartAsync(SessionFolder folder, CancellationToken cancellationToken)
    {
        var daemon = new PrivateDaemon(folder);
        try
        {
            await daemon.WaitAsync(cancellationToken).ConfigureAwait(false);
            return daemon;
        }
        catch
        {
            // A clean stop would let go what the one before it held.
            daemon._program.Kill();
            daemon.Leave();
            throw;
        }
    }

    /// <summary>As the daemon would have at its end.</summary>
    /// <returns>Why it is held still.</returns>
    private static string Release(string tunnels)
    {
        try
        {
            using var release = new SessionProgram("What the private daemon left held", ["release", "--tunnels", tunnels]);
            return release.Finish();
        }
        catch (DaemonException e)
        {
            return e.Message;
        }
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        using var client = new DaemonClient(SocketPath);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_readyTimeout);
        try
        {
            while (!File.Exists(SocketPath))
            {
                if (_program.HasExited)
                    throw new DaemonException(DaemonException.Unreachable, $"No daemon runs on this host, and a private one ended at once: {_program.LastWords()} Where a daemon of this network namespace listens at another socket: Connect-PcpuDaemon SOCKET.");
                await Task.Delay(_pause, limit.Token).ConfigureAwait(false);
            }
            await client.GetInfoAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DaemonException(DaemonException.Unreachable, $"The private daemon was not ready within {_readyTimeout.TotalSeconds:0} s.");
        }
    }
}
