using System.Net.Sockets;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Tests.Gateway;

namespace PcpuIpsec.Tests.Daemon;

/// <summary>A daemon in this process, on a fake protocol and a fake data plane, with its socket and its folder.</summary>
internal sealed class DaemonHarness : IAsyncDisposable
{
    private CancellationTokenSource? _stop;
    private Task<int> _running = Task.FromResult(0);

    private DaemonHarness()
    {
        Folder = Directory.CreateTempSubdirectory("pcpu-daemon-").FullName;
        Client = new DaemonClient(SocketPath);
        Http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        })
        { BaseAddress = new Uri("http://daemon/") };
    }

    public string Folder { get; }

    public string TunnelsFolder => Path.Combine(Folder, "tunnels.d");

    public string SocketPath => Path.Combine(Folder, "s.sock");

    public DaemonClient Client { get; }

    /// <summary>HTTP as anybody speaks it.</summary>
    public HttpClient Http { get; }

    public Func<IEnumerable<string>, IReadOnlyList<NamelessHold>> FindHolds { get; set; } = _ => [];

    public CollectingLogger Log { get; } = new();

    public FakeCore Core { get; private set; } = new();

    public FakeDataPlane Plane { get; private set; } = new();

    public IpsecGateway Gateway { get; private set; } = null!;

    /// <summary>What becomes of the traffic when it stops.</summary>
    public StopAction OnStop { get; set; }

    /// <summary>Its exit code, once it has ended by itself.</summary>
    public Task<int> Ended => _running.WaitAsync(TimeSpan.FromSeconds(20));

    public static async Task<DaemonHarness> StartAsync(Action<DaemonHarness>? before = null)
    {
        var harness = new DaemonHarness();
        Directory.CreateDirectory(harness.TunnelsFolder);
        before?.Invoke(harness);
        try
        {
            await harness.StartDaemonAsync();
            return harness;
        }
        catch
        {
            // How it failed to start is what the test is about, and is on its way.
            harness._stop?.Dispose();
            harness._stop = null;
            await harness.DisposeAsync();
            throw;
        }
    }

    /// <summary>A tunnel on loopback.</summary>
    public static TunnelDefinition Definition(string name = "lab", string key = "a key of enough length") => new()
    {
        Name = name,
        LocalAddress = TestTunnels.FreshLoopback().ToString(),
        RemoteAddress = TestTunnels.FreshLoopback().ToString(),
        LocalSelectors = ["10.1.0.0/24"],
        RemoteSelectors = ["10.2.0.0/24"],
        PreSharedKey = PreSharedKey.CopyOf(System.Text.Encoding.UTF8.GetBytes(key)),
        IkePort = TestTunnels.IkePort,
        NatTraversalPort = TestTunnels.NatTraversalPort,
    };

    /// <summary>A file that its owner alone reads.</summary>
    public string WritePrivate(string name, string text)
    {
        string path = Path.Combine(Folder, name);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }

    /// <summary>Declares a tunnel as an administrator does.</summary>
    public TunnelDefinition Declare(TunnelDefinition definition, string key = "a key of enough length")
    {
        definition = definition with { PreSharedKey = null, PreSharedKeyFile = WritePrivate($"{definition.Name}.secret", key) };
        File.WriteAllText(Path.Combine(TunnelsFolder, definition.Name + ".json"), System.Text.Json.JsonSerializer.Serialize(definition, WireJson.Indented.TunnelDefinition));
        return definition;
    }

    /// <summary>Ends it, and starts another one in its place.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        (Core, Plane) = (new FakeCore(), new FakeDataPlane());
        await StartDaemonAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Client.Dispose();
        Http.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private async Task StartDaemonAsync()
    {
        var options = new DaemonOptions { SocketPath = SocketPath, TunnelsFolder = TunnelsFolder, OnStop = OnStop };
        _stop = new CancellationTokenSource();
        _running = new DaemonProcess(options, Log)
        {
            FindHolds = FindHolds,
            TakeNamespace = static () => new MemoryStream(),
            StartGateway = async (o, cancellationToken) => Gateway = await IpsecGateway.StartAsync(o with { CloseTimeout = TimeSpan.FromMilliseconds(200) }, Plane, "a test", Core, cancellationToken),
        }.RunAsync(_stop.Token);
        while (!File.Exists(SocketPath))
        {
            if (_running.IsCompleted)
                await _running;
            await Task.Delay(5);
        }
    }

    private async Task StopAsync()
    {
        if (_stop is null)
            return;
        await _stop.CancelAsync();
        try
        {
            await _running.WaitAsync(TimeSpan.FromSeconds(20));
        }
        finally
        {
            _stop.Dispose();
            _stop = null;
        }
    }
}
