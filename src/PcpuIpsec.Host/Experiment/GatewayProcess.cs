using System.Buffers;
using System.Collections.Concurrent;
using System.Text.Json;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Control;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Host.Experiment;

/// <summary>A gateway of the lab in a process and a namespace of its own, at the other end of its control channel.</summary>
internal sealed class GatewayProcess : IAsyncDisposable
{
    // Emulated CPUs of a busy host took half a minute for one, and there are two at once.
    private static readonly TimeSpan _readyTimeout = TimeSpan.FromSeconds(180);

    // A gateway waits up to 2 s for its peer's answer to its deletes.
    private static readonly TimeSpan _stopTimeout = TimeSpan.FromSeconds(10);

    private readonly LabHost _host;
    private readonly LabProcess _process;
    private readonly ConcurrentDictionary<long, TaskCompletionSource<ControlEvent>> _waiting = [];
    private readonly TaskCompletionSource<ControlEvent> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<ControlEvent> _events = [];
    private readonly SemaphoreSlim _writing = new(1);
    private readonly Task _exited;
    private long _lastId;
    private string? _firstError;

    private GatewayProcess(LabHost host, IReadOnlyDictionary<string, string> environment)
    {
        _host = host;
        (string program, IReadOnlyList<string> arguments) = HostProgram.Command("gateway", "--config", "-");
        _process = host.Start(new LabCommand(program, arguments)
        {
            Environment = environment,
            OnOutputLine = Take,
            OnErrorLine = line => Interlocked.CompareExchange(ref _firstError, line, null),
        });
        _exited = WatchAsync();
    }

    public string Name => _host.Name;

    public int Pid => _process.Pid;

    /// <summary>The gateway as it was when it was ready.</summary>
    public GatewayStatus Initial { get; private set; } = null!;

    /// <summary>What happened so far.</summary>
    public IReadOnlyCollection<ControlEvent> Events => _events;

    /// <summary>Starts the process, hands it the configuration and waits until it is ready: its traffic is held then.</summary>
    public static async Task<GatewayProcess> StartAsync(LabHost host, GatewayConfiguration configuration, CancellationToken cancellationToken)
    {
        var gateway = new GatewayProcess(host, new Dictionary<string, string> { ["DOTNET_TieredPGO"] = "1" });
        try
        {
            await gateway.ConfigureAsync(configuration, cancellationToken);
            ControlEvent ready = await gateway._ready.Task.WaitAsync(_readyTimeout, cancellationToken);
            gateway.Initial = ready.Status!;
            return gateway;
        }
        catch (TimeoutException)
        {
            await gateway.DisposeAsync();
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The gateway {host.Name} was not ready within {_readyTimeout.TotalSeconds:0} s{gateway.WhatItSaid()}.");
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends a command and waits for its reply.</summary>
    /// <exception cref="PcpuIpsecException">The gateway answers that it failed, or ended.</exception>
    public async Task<ControlEvent> AskAsync(string command, string? tunnel, TimeSpan timeout, CancellationToken cancellationToken)
    {
        long id = Interlocked.Increment(ref _lastId);
        var answer = new TaskCompletionSource<ControlEvent>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[id] = answer;
        try
        {
            if (_exited.IsCompleted)
                throw Ended();
            byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(new ControlCommand { Id = id, Command = command, Tunnel = tunnel }, ControlJson.Options), (byte)'\n'];
            await WriteAsync(line, cancellationToken);
            ControlEvent reply = await answer.Task.WaitAsync(timeout, cancellationToken);
            return reply.Error is { } error ? throw new PcpuIpsecException(error, $"{Name}: {reply.Message}") : reply;
        }
        catch (TimeoutException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.Aborted, $"The gateway {Name} did not answer '{command}' within {timeout.TotalSeconds:0} s{WhatItSaid()}.");
        }
        finally
        {
            _waiting.TryRemove(id, out _);
        }
    }

    public async Task<GatewayStatus> GetStatusAsync(CancellationToken cancellationToken)
        => (await AskAsync("status", null, TimeSpan.FromSeconds(60), cancellationToken)).Status!;

    /// <summary>Ends its input, upon which it closes its tunnels and ends.</summary>
    public async Task StopAsync()
    {
        await _writing.WaitAsync();
        try
        {
            _process.Input.Close();
        }
        catch (IOException)
        {
            // It ended before us.
        }
        finally
        {
            _writing.Release();
        }
        await Task.WhenAny(_exited, Task.Delay(_stopTimeout));
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await StopAsync();
        if (!_process.HasExited)
            await _process.StopAsync(Libc.SIGTERM, TimeSpan.FromSeconds(1));
        _process.Signal(Libc.SIGKILL);
        // Its watcher reads the exit code: only then may the process object go.
        await _exited;
        await _process.DisposeAsync();
    }

    private async Task ConfigureAsync(GatewayConfiguration configuration, CancellationToken cancellationToken)
    {
        var line = new ArrayBufferWriter<byte>(LineReader.MaxLength);
        try
        {
            configuration.WriteWithKeys(line);
            line.Write("\n"u8);
            await WriteAsync(line.WrittenMemory, cancellationToken);
        }
        finally
        {
            line.Clear();
        }
    }

    private async Task WriteAsync(ReadOnlyMemory<byte> line, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await _process.Input.BaseStream.WriteAsync(line, cancellationToken);
            await _process.Input.BaseStream.FlushAsync(cancellationToken);
        }
        catch (IOException)
        {
            await _exited.WaitAsync(_stopTimeout, cancellationToken);
            throw Ended();
        }
        finally
        {
            _writing.Release();
        }
    }

    private void Take(string line)
    {
        ControlEvent? e;
        try
        {
            e = JsonSerializer.Deserialize<ControlEvent>(line, ControlJson.Options);
        }
        catch (JsonException)
        {
            // Not the channel's: whatever it is, it is worth showing where the gateway fails.
            Interlocked.CompareExchange(ref _firstError, line, null);
            return;
        }
        if (e is null)
            return;
        if (e.Id is { } id)
        {
            if (_waiting.TryRemove(id, out TaskCompletionSource<ControlEvent>? answer))
                answer.TrySetResult(e);
            return;
        }
        _events.Enqueue(e);
        if (e.Event == "ready")
            _ready.TrySetResult(e);
        else if (e.Event == "failed")
            _ready.TrySetException(new PcpuIpsecException(e.Error ?? PcpuIpsecError.HostUnable, $"{Name}: {e.Message}"));
    }

    private async Task WatchAsync()
    {
        await _process.WaitAsync(CancellationToken.None);
        PcpuIpsecException ended = Ended();
        _ready.TrySetException(ended);
        foreach (TaskCompletionSource<ControlEvent> answer in _waiting.Values)
            answer.TrySetException(ended);
    }

    private PcpuIpsecException Ended()
        => new(PcpuIpsecError.Aborted, $"The gateway {Name} ended{WhatItSaid()}.");

    private string WhatItSaid()
    {
        string failure = _events.LastOrDefault(e => e.Error is not null) is { } failed ? $": {failed.Message?.TrimEnd('.')}" : "";
        return _firstError is { } error ? $"{failure} ({error})" : failure;
    }
}
