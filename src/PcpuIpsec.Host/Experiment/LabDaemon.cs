using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Host.Experiment;

/// <summary>A daemon of the lab in a process and a namespace of its own.</summary>
internal sealed class LabDaemon : IAsyncDisposable
{
    // Emulated CPUs of a busy host took half a minute for one, and there are two at once.
    private static readonly TimeSpan _readyTimeout = TimeSpan.FromSeconds(180);

    // A gateway waits up to 2 s for its peer's answer to its deletes.
    private static readonly TimeSpan _stopTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(10);

    private readonly LabHost _host;
    private readonly string _folder;
    private readonly LabProcess _process;

    private LabDaemon(LabHost host, DataPlaneKind plane, IReadOnlyList<int> cpus)
    {
        _host = host;
        _folder = Directory.CreateTempSubdirectory("pcpu-lab-").FullName;
        string socket = Path.Combine(_folder, "s.sock");
        (string program, IReadOnlyList<string> arguments) = HostProgram.Command(
            "serve", "--socket", socket, "--tunnels", Path.Combine(_folder, "tunnels.d"), "--data-plane", plane.ToString().ToLowerInvariant(), "--cpus", CpuList.Format(cpus), "--until-input-ends", "--log", "warning");
        _process = host.Start(new LabCommand(program, arguments));
        Client = new DaemonClient(socket);
    }

    public string Name => _host.Name;

    public int Pid => _process.Pid;

    public DaemonClient Client { get; }

    /// <summary>The daemon as it was when it was ready.</summary>
    public DaemonInfo Initial { get; private set; } = null!;

    /// <summary>Starts the daemon and declares the tunnel, where one is given: its traffic is held then.</summary>
    public static async Task<LabDaemon> StartAsync(LabHost host, DataPlaneKind plane, IReadOnlyList<int> cpus, TunnelDefinition? tunnel, CancellationToken cancellationToken)
    {
        var daemon = new LabDaemon(host, plane, cpus);
        try
        {
            await daemon.WaitAsync(cancellationToken);
            daemon.Initial = await daemon.AskAsync((client, stop) => client.GetInfoAsync(stop), _readyTimeout, cancellationToken);
            if (tunnel is not null)
                await daemon.AskAsync((client, stop) => client.CreateTunnelAsync(tunnel, stop), _readyTimeout, cancellationToken);
            return daemon;
        }
        catch
        {
            await daemon.DisposeAsync();
            throw;
        }
    }

    /// <summary>Asks the daemon.</summary>
    /// <exception cref="PcpuIpsecException">It answers that it failed, does not answer in time, or ended.</exception>
    public async Task<T> AskAsync<T>(Func<DaemonClient, CancellationToken, Task<T>> ask, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            return await ask(Client, limit.Token);
        }
        catch (DaemonException e) when (e.Error == DaemonException.Unreachable)
        {
            throw new PcpuIpsecException(PcpuIpsecError.Aborted, $"The gateway {Name} ended{WhatItSaid()}.", e);
        }
        catch (DaemonException e)
        {
            PcpuIpsecError error = Enum.GetValues<PcpuIpsecError>().Cast<PcpuIpsecError?>().FirstOrDefault(v => StatusMapping.Kebab(v!.Value) == e.Error) ?? PcpuIpsecError.Aborted;
            throw new PcpuIpsecException(error, $"{Name}: {e.Message}", e);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcpuIpsecException(PcpuIpsecError.Aborted, $"The gateway {Name} did not answer within {timeout.TotalSeconds:0} s{WhatItSaid()}.");
        }
    }

    /// <summary>Ends its input, upon which it closes its tunnel and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.Input.Close();
        }
        catch (IOException)
        {
            // It ended before us.
        }
        await Task.WhenAny(_process.WaitAsync(CancellationToken.None), Task.Delay(_stopTimeout));
        if (!_process.HasExited)
            await _process.StopAsync(Libc.SIGTERM, TimeSpan.FromSeconds(1));
        await _process.DisposeAsync();
        Client.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_readyTimeout);
        try
        {
            while (!File.Exists(Client.SocketPath))
            {
                if (_process.HasExited)
                {
                    CommandResult result = await _process.WaitAsync(limit.Token);
                    throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{Name}: {result.Error.Trim()}");
                }
                await Task.Delay(_pause, limit.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The gateway {Name} was not ready within {_readyTimeout.TotalSeconds:0} s{WhatItSaid()}.");
        }
    }

    private string WhatItSaid() => _process.Error.Trim() is { Length: > 0 } said ? $": {said.TrimEnd('.')}" : "";
}
