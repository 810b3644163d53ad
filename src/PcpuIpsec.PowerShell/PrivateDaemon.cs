using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>A daemon of one session. It ends when its standard input does, so also where the session is killed, and lets its tunnels' traffic go then.</summary>
internal sealed class PrivateDaemon : IDisposable
{
    private const string Program = "pcpu-ipsec";
    private static readonly TimeSpan _readyTimeout = TimeSpan.FromSeconds(30), _stopTimeout = TimeSpan.FromSeconds(15), _pause = TimeSpan.FromMilliseconds(50);

    private readonly Process _process;
    private readonly string _folder;
    private readonly StringBuilder _said = new();

    private PrivateDaemon(string program, string folder)
    {
        _folder = folder;
        SocketPath = Path.Combine(folder, "s.sock");
        var start = new ProcessStartInfo(program, ["serve", "--socket", SocketPath, "--tunnels", Path.Combine(folder, "tunnels.d"), "--on-stop", "release", "--until-input-ends", "--log", "warning"])
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, e) =>
        {
            lock (_said)
                _said.AppendLine(e.Data);
        };
        _process.BeginErrorReadLine();
    }

    public string SocketPath { get; }

    public bool HasExited => _process.HasExited;

    public static async Task<PrivateDaemon> StartAsync(CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
            throw new DaemonException(DaemonException.Unreachable, "No daemon runs on this host (systemctl start pcpu-ipsec), and a private one needs root: sudo pwsh.");
        string folder = Directory.CreateTempSubdirectory("pcpu-ipsec-").FullName;
        PrivateDaemon daemon;
        try
        {
            daemon = new PrivateDaemon(FindProgram(), folder);
        }
        catch (Win32Exception e)
        {
            Directory.Delete(folder);
            throw new DaemonException(DaemonException.Unreachable, $"No daemon runs on this host, and a private one could not be started: {e.Message}", e);
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
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before us.
        }
        if (!_process.WaitForExit(_stopTimeout))
            _process.Kill();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The module's own, else the one that the host has.</summary>
    private static string FindProgram()
    {
        string module = Path.GetDirectoryName(typeof(PrivateDaemon).Assembly.Location)!;
        string[] folders = [Path.Combine(module, "..", "bin"), "/usr/lib/pcpu-ipsec", .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)];
        return folders.Select(f => Path.GetFullPath(Path.Combine(f, Program))).FirstOrDefault(File.Exists)
            ?? throw new DaemonException(DaemonException.Unreachable, $"No daemon runs on this host, and {Program} to start a private one is neither in the module nor in PATH.");
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        using var client = new DaemonClient(SocketPath);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_readyTimeout);
        try
        {
            while (true)
            {
                if (_process.HasExited)
                {
                    lock (_said)
                        throw new DaemonException(DaemonException.Unreachable, $"No daemon runs on this host, and a private one ended at once: {_said.ToString().Trim()}");
                }
                if (File.Exists(SocketPath))
                {
                    await client.GetInfoAsync(limit.Token).ConfigureAwait(false);
                    return;
                }
                await Task.Delay(_pause, limit.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DaemonException(DaemonException.Unreachable, $"The private daemon was not ready within {_readyTimeout.TotalSeconds:0} s.");
        }
    }
}
