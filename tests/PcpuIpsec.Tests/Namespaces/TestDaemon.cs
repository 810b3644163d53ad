using System.Diagnostics;
using PcpuIpsec.Client;
using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>A daemon in a lab's host, with its own socket and folder.</summary>
internal sealed class TestDaemon : IAsyncDisposable
{
    // Emulated CPUs of a busy host take long to start a program.
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(120);

    private readonly LabHost _host;
    private readonly IReadOnlyDictionary<string, string> _environment;
    private readonly string[] _options;
    private LabProcess? _process;

    private TestDaemon(LabHost host, IReadOnlyDictionary<string, string> environment, string[] options)
    {
        (_host, _environment, _options) = (host, environment, options);
        Folder = Directory.CreateTempSubdirectory("pcpu-daemon-").FullName;
        Directory.CreateDirectory(TunnelsFolder);
        Client = new DaemonClient(SocketPath);
    }

    public string Folder { get; }

    public string TunnelsFolder => Path.Combine(Folder, "tunnels.d");

    public string SocketPath => Path.Combine(Folder, "s.sock");

    public DaemonClient Client { get; }

    public static Task<TestDaemon> StartAsync(LabHost host, params string[] options) => StartAsync(host, new Dictionary<string, string>(), options);

    public static async Task<TestDaemon> StartAsync(LabHost host, IReadOnlyDictionary<string, string> environment, params string[] options)
    {
        var daemon = new TestDaemon(host, environment, options);
        await daemon.StartAsync();
        return daemon;
    }

    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        long began = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < _patience, $"It did not come about within {_patience.TotalSeconds} s.");
            await Task.Delay(20);
        }
    }

    public LabCommand Command()
    {
        (string program, IReadOnlyList<string> arguments) = HostProgram.Command(["serve", "--socket", SocketPath, "--tunnels", TunnelsFolder, .. _options]);
        return new LabCommand(program, arguments) { Environment = _environment };
    }

    public async Task StartAsync()
    {
        _process = _host.Start(Command());
        await UntilAsync(async () =>
        {
            Assert.False(_process.HasExited, _process.Error);
            try
            {
                await Client.GetInfoAsync();
                return true;
            }
            catch (DaemonException e) when (e.Error == DaemonException.Unreachable)
            {
                return false;
            }
        });
    }

    /// <summary>What it wrote to standard error so far.</summary>
    public string Errors => _process!.Error;

    /// <summary>What it has mapped, a path a line.</summary>
    public string LoadedFiles() => File.ReadAllText($"/proc/{_process!.Pid}/maps");

    /// <summary>What is answered at a path.</summary>
    public async Task<string> Http(string path)
        => (await _host.RunAsync(new LabCommand("curl", "-s", "--unix-socket", SocketPath, "http://d/" + path), CancellationToken.None)).EnsureSuccess().Output;

    public async Task KillAsync()
    {
        _process!.Signal(Libc.SIGKILL);
        await _process.WaitAsync(CancellationToken.None);
    }

    public async Task<int> StopAsync() => (await _process!.StopAsync(Libc.SIGTERM, _patience)).ExitCode;

    public async Task<int> EndInputAsync()
    {
        _process!.Input.Close();
        using var limit = new CancellationTokenSource(_patience);
        return (await _process.WaitAsync(limit.Token)).ExitCode;
    }

    public void Signal(int signal) => _process!.Signal(signal);

    public async ValueTask DisposeAsync()
    {
        await _process!.StopAsync(Libc.SIGTERM, _patience);
        await _process.DisposeAsync();
        Client.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
