using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Lab;

/// <summary>A program that runs inside a lab host. It dies with us: by disposal, or by PR_SET_PDEATHSIG where we are killed.</summary>
internal sealed class LabProcess : IAsyncDisposable
{
    private static readonly TimeSpan _pipeGrace = TimeSpan.FromSeconds(2);

    private readonly LabCommand _command;
    private readonly Process _process;
    private readonly Collector _output;
    private readonly Collector _error;

    private LabProcess(LabCommand command, Process process)
    {
        _command = command;
        _process = process;
        _output = new Collector(process.StandardOutput, command.OnOutputLine);
        _error = new Collector(process.StandardError, command.OnErrorLine);
    }

    /// <summary>The program's own number: what starts it replaces itself by it.</summary>
    public int Pid => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>What it wrote to standard output so far.</summary>
    public string Output => _output.Text;

    /// <summary>What it wrote to standard error so far.</summary>
    public string Error => _error.Text;

    /// <summary>Its standard input.</summary>
    public StreamWriter Input => _process.StandardInput;

    internal static LabProcess Start(string namespacePath, LabCommand command)
    {
        // Each of these execs the next, so that the process keeps its number. nsenter and not setns before fork: the runtime
        // forks from a thread of its own choosing, and that thread would have to be moved back.
        var info = new ProcessStartInfo("setpriv")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = command.WorkingDirectory ?? "",
        };
        Add(info, "--pdeathsig", "KILL", "--");
        if (command.Cpus.Count > 0)
            Add(info, "taskset", "-c", CpuList.Format(command.Cpus));
        Add(info, "nsenter", $"--net={namespacePath}", "--", command.FileName);
        foreach (string argument in command.Arguments)
            info.ArgumentList.Add(argument);
        foreach ((string name, string value) in command.Environment)
            info.Environment[name] = value;
        try
        {
            return new LabProcess(command, ProcessStarter.Start(info));
        }
        catch (Win32Exception e)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"setpriv, of the package util-linux, could not be started for '{command}': {e.Message}", e);
        }
    }

    /// <summary>Waits for the end. Cancelling only ends the waiting.</summary>
    public async Task<CommandResult> WaitAsync(CancellationToken cancellationToken)
    {
        await _process.WaitForExitAsync(cancellationToken);
        // A child of its own may have inherited the pipes and live on: what was written by now is what there is.
        await Task.WhenAny(Task.WhenAll(_output.Completion, _error.Completion), Task.Delay(_pipeGrace, cancellationToken));
        return new CommandResult(_command.ToString(), _process.ExitCode, Output, Error);
    }

    /// <summary>Asks it to end, and kills it where it does not within the grace period.</summary>
    /// <param name="signal">SIGINT, SIGTERM, …</param>
    /// <param name="grace">How long it may take.</param>
    public async Task<CommandResult> StopAsync(int signal = Libc.SIGTERM, TimeSpan? grace = null)
    {
        Signal(signal);
        using var timeout = new CancellationTokenSource(grace ?? TimeSpan.FromSeconds(5));
        try
        {
            return await WaitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            Signal(Libc.SIGKILL);
            return await WaitAsync(CancellationToken.None);
        }
    }

    /// <summary>Sends a signal; nothing happens where it has ended already.</summary>
    public void Signal(int signal)
    {
        if (!_process.HasExited && Libc.Kill(_process.Id, signal) != 0 && Libc.Errno != Libc.ESRCH)
            throw Libc.Failure($"send signal {signal} to '{_command}'", Libc.Errno);
    }

    /// <summary>Kills it where it still runs.</summary>
    public async ValueTask DisposeAsync()
    {
        Signal(Libc.SIGKILL);
        await WaitAsync(CancellationToken.None);
        _process.Dispose();
    }

    private static void Add(ProcessStartInfo info, params ReadOnlySpan<string> arguments)
    {
        foreach (string argument in arguments)
            info.ArgumentList.Add(argument);
    }

    /// <summary>Reads a pipe to its end, so that its writer never blocks.</summary>
    private sealed class Collector
    {
        private readonly StringBuilder _text = new();
        private readonly Lock _lock = new();

        public Collector(StreamReader reader, Action<string>? onLine)
            => Completion = Task.Run(async () =>
            {
                while (await reader.ReadLineAsync() is { } line)
                {
                    lock (_lock)
                        _text.Append(line).Append('\n');
                    onLine?.Invoke(line);
                }
            });

        public Task Completion { get; }

        public string Text
        {
            get
            {
                lock (_lock)
                    return _text.ToString();
            }
        }
    }
}
