using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Tests.Gateway;

/// <summary>A gateway on a fake protocol and a fake data plane, and a plain UDP peer at its tunnel's other end.</summary>
internal sealed class GatewayHarness : IAsyncDisposable
{
    private GatewayHarness(IpsecGateway gateway, FakeCore core, FakeDataPlane plane, TunnelOptions tunnel, CollectingLogger log)
    {
        Gateway = gateway;
        Core = core;
        Plane = plane;
        Tunnel = tunnel;
        Log = log;
    }

    public IpsecGateway Gateway { get; }

    public FakeCore Core { get; }

    public FakeDataPlane Plane { get; }

    public TunnelOptions Tunnel { get; }

    public CollectingLogger Log { get; }

    public static async Task<GatewayHarness> StartAsync(Func<TunnelOptions, TunnelOptions>? change = null, FakeCore? core = null, FakeDataPlane? plane = null)
    {
        core ??= new FakeCore();
        plane ??= new FakeDataPlane();
        var log = new CollectingLogger();
        TunnelOptions tunnel = (change ?? (t => t))(TestTunnels.OnLoopback());
        var options = new GatewayOptions { Tunnels = [tunnel], LoggerFactory = log, CloseTimeout = TimeSpan.FromMilliseconds(200) };
        IpsecGateway gateway = await IpsecGateway.StartAsync(options, plane, "a test", core, CancellationToken.None);
        return new GatewayHarness(gateway, core, plane, tunnel, log);
    }

    /// <summary>The peer's socket, connected to one of the gateway's two ports.</summary>
    public UdpClient Peer(int port)
    {
        var peer = new UdpClient(new System.Net.IPEndPoint(Tunnel.RemoteAddress, port));
        peer.Connect(Tunnel.LocalAddress, port);
        return peer;
    }

    /// <summary>Waits for a state that other threads bring about.</summary>
    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        for (int i = 0; i < 1000; i++)
        {
            if (condition())
                return;
            await Task.Delay(10);
        }
        throw new TimeoutException($"not within 10 s: {what}");
    }

    public ValueTask DisposeAsync() => Gateway.DisposeAsync();
}

/// <summary>A log that remembers every line, with all values.</summary>
internal sealed class CollectingLogger : ILoggerFactory, ILogger
{
    private readonly List<(int Id, string Text)> _lines = [];
    private readonly List<string> _messages = [];

    public IReadOnlyList<(int Id, string Text)> Lines
    {
        get
        {
            lock (_lines)
                return [.. _lines];
        }
    }

    /// <summary>Each line as people read it.</summary>
    public IReadOnlyList<string> Messages
    {
        get
        {
            lock (_lines)
                return [.. _messages];
        }
    }

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        string values = state is IEnumerable<KeyValuePair<string, object?>> pairs ? string.Join(' ', pairs.Select(p => p.Value)) : "";
        lock (_lines)
        {
            _messages.Add(formatter(state, exception));
            _lines.Add((eventId.Id, $"{formatter(state, exception)} {values} {exception}"));
        }
    }

    public void Dispose()
    {
    }
}
