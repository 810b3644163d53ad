using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>A daemon of one session, which ends with it and lets its tunnels' traffic go then.</summary>
internal sealed class PrivateDaemon : IDisposable
{
    private static readonly TimeSpan _readyTimeout = TimeSpan.FromSeconds(30), _pause = TimeSpan.FromMilliseconds(50);

    private readonly string _folder;
    private readonly SessionProgram _program;

    private PrivateDaemon(string folder, SessionProgram program) => (_folder, _program) = (folder, program);

    public string SocketPath => SocketIn(_folder);

    public bool HasExited => _program.HasExited;

    public static async Task<PrivateDaemon> StartAsync(CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("pcpu-ipsec-").FullName;
        PrivateDaemon daemon;
        try
        {
            daemon = new PrivateDaemon(folder, new SessionProgram(
                "No daemon runs on this host (systemctl start pcpu-ipsec), and a private one",
                ["serve", "--socket", SocketIn(folder), "--tunnels", Path.Combine(folder, "tunnels.d"), "--on-stop", "release", "--until-input-ends", "--log", "warning"]));
        }
        catch
        {
            Directory.Delete(folder);
            throw;
        }
        try
        {
            await daemon.WaitAsync(cancellationToken).ConfigureAwait(false);
            return daemon;
        }
        catch
        {
            daemon.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _program.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string SocketIn(string folder) => Path.Combine(folder, "s.sock");

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
                    throw new DaemonException(DaemonException.Unreachable, $"No daemon runs on this host, and a private one ended at once: {_program.Said}");
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
