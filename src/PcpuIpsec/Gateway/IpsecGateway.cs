using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Gateway;

/// <summary>
/// An IPsec gateway in this process: tunnels, their IKE SAs and Child SAs, and the data plane that carries their packets.
/// Safe for use from several threads. Traffic of a tunnel is held from <see cref="AddTunnelAsync"/> on and until
/// <see cref="RemoveTunnelAsync"/>, whatever happens between: it leaves protected or not at all.
/// </summary>
public sealed partial class IpsecGateway : IAsyncDisposable
{
    private static readonly TimeSpan _cpuWatchInterval = TimeSpan.FromSeconds(1);

    private readonly IDataPlane _plane;
    private readonly string _planeReason;
    private readonly TimeSpan _closeTimeout;
    private readonly ILogger _log;
    private readonly EventHub _events = new();
    private readonly GatewayMeter _meter;
    private readonly NoticeReporter _reporter;
    private readonly GatewayEdge _edge;
    private readonly CpuWatch _cpuWatch;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _planeEvents;
    // One tunnel is added or removed at a time: the steps of both span several threads.
    private readonly SemaphoreSlim _changing = new(1, 1);
    private int _disposed;

    private IpsecGateway(IGatewayCore core, IDataPlane plane, string planeReason, GatewayOptions options, ILogger log)
    {
        _plane = plane;
        _planeReason = planeReason;
        _closeTimeout = options.CloseTimeout;
        _log = log;
        _meter = new GatewayMeter(options.Meter ?? new Meter(GatewayMeter.Name), GetStatusAsync);
        _reporter = new NoticeReporter(log, _events, _meter);
        _edge = new GatewayEdge(core, plane, _reporter, log, options.KeyExportFolder is { } folder ? new KeyExport(folder) : null);
        _cpuWatch = new CpuWatch(plane.Cpus, HostCpus.Online, _cpuWatchInterval, CpuChanged, log);
        _planeEvents = ReadPlaneEventsAsync();
    }

    /// <summary>
    /// What happens, from up to 256 events before now on. Each enumeration is a reader of its own; one that falls
    /// 4096 events behind loses the oldest. Ends when the gateway is disposed.
    /// </summary>
    public IAsyncEnumerable<GatewayEvent> Events => _events;

    /// <summary>Starts a gateway and adds the tunnels of its options.</summary>
    /// <param name="options">The options.</param>
    /// <param name="cancellationToken">Gives the start up and undoes it.</param>
    /// <exception cref="PcpuIpsecException">An option is wrong or the host lacks something; the message says which.</exception>
    public static async Task<IpsecGateway> StartAsync(GatewayOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        ILogger log = options.LoggerFactory.CreateLogger<IpsecGateway>();
        (IDataPlane plane, string reason) = await DataPlanes.CreateAsync(options, log, cancellationToken);
        return await StartAsync(options, plane, reason, new GatewayCore(new SystemRandom(), new CoreLimits()), cancellationToken);
    }

    /// <summary>
    /// Lets the traffic of tunnels go that an ended or killed process left held, on the data plane that a gateway with these options
    /// would choose. All that is held follows from a tunnel's name. Binds no port, needs no key and negotiates nothing.
    /// </summary>
    /// <returns>The names of those of which something was held.</returns>
    internal static async Task<IReadOnlyList<string>> ReleaseAsync(GatewayOptions options, IEnumerable<string> tunnels, CancellationToken cancellationToken)
    {
        options.Validate();
        (IDataPlane plane, _) = await DataPlanes.CreateAsync(options, options.LoggerFactory.CreateLogger<IpsecGateway>(), cancellationToken);
        await using (plane)
        {
            List<string> released = [];
            foreach (string tunnel in tunnels)
            {
                if (await plane.ReleaseAsync(tunnel, cancellationToken))
                    released.Add(tunnel);
            }
            return released;
        }
    }

    /// <summary>Starts with a data plane and a core that are there already; both are the gateway's from here on.</summary>
    internal static async Task<IpsecGateway> StartAsync(GatewayOptions options, IDataPlane plane, string planeReason, IGatewayCore core, CancellationToken cancellationToken)
    {
        ILogger log = options.LoggerFactory.CreateLogger<IpsecGateway>();
        var gateway = new IpsecGateway(core, plane, planeReason, options, log);
        GatewayLog.Started(log, CpuList.Format(plane.Cpus), plane.Name, planeReason);
        try
        {
            await gateway.AddAllAsync(options.Tunnels, cancellationToken);
            return gateway;
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
    }

    /// <summary>The gateway now: tunnels, SAs and counters.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public async Task<GatewayStatus> GetStatusAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        var state = await _edge.Loop.AskAsync(
            () => (Tunnels: _edge.Tunnels.Select(t => (t.Name, t.LastError)).ToArray(), Connections: _edge.Snapshot(), Counters: _edge.Counters()),
            cancellationToken);
        var plane = await _edge.Plane.CallAsync(p => ValueTask.FromResult((Sas: p.ReadSaCounters(), Drops: p.ReadDropCounters()))).WaitAsync(cancellationToken);
        var connections = state.Connections.ToDictionary(c => c.Connection, StringComparer.Ordinal);
        ILookup<string, SaCounters> sas = plane.Sas.ToLookup(sa => sa.Connection, StringComparer.Ordinal);
        var status = new GatewayStatus
        {
            DataPlane = _plane.Name,
            DataPlaneReason = _planeReason,
            Cpus = _plane.Cpus,
            Tunnels = [.. state.Tunnels.Select(t => StatusBuilder.Tunnel(t.Name, connections.GetValueOrDefault(t.Name), t.LastError, sas[t.Name]))],
            IkeCounters = state.Counters,
            DropCounters = plane.Drops,
        };
        _meter.Take(status);
        return status;
    }

    /// <summary>One tunnel now; null where there is none of that name.</summary>
    internal async Task<TunnelStatus?> FindTunnelAsync(string name, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        (bool isKnown, ConnectionSnapshot? connection, string? lastError) = await _edge.Loop.AskAsync(
            () => _edge.Find(name) is { } tunnel ? (true, _edge.Snapshot(name), tunnel.LastError) : default((bool, ConnectionSnapshot?, string?)),
            cancellationToken);
        if (!isKnown)
            return null;
        IReadOnlyList<SaCounters> sas = connection?.Children.Count > 0 ? await _edge.Plane.CallAsync(p => ValueTask.FromResult(p.ReadSaCounters())).WaitAsync(cancellationToken) : [];
        return StatusBuilder.Tunnel(name, connection, lastError, sas.Where(sa => sa.Connection == name));
    }

    /// <summary>Deletes all SAs at both ends and stops. What is held stays held.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _meter.Dispose();
        int? held = null;
        try
        {
            held = await CloseAllAsync();
        }
        finally
        {
            await _cpuWatch.DisposeAsync();
            await _stop.CancelAsync();
            await _planeEvents;
            await _edge.DisposeAsync();
            GatewayLog.Stopped(_log, held is null ? "what it holds stays held" : held == 0 ? "it holds no traffic" : $"the traffic of {held} tunnel{(held == 1 ? "" : "s")} stays held");
            _events.Complete();
            _stop.Dispose();
        }
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed != 0, this);

    private void CpuChanged(int cpu, bool online) => _edge.Loop.Post(() =>
    {
        string state = online ? "online" : "offline";
        GatewayLog.CpuChanged(_log, cpu, state);
        _reporter.Publish(GatewayEventKind.CpuChanged, "", $"CPU {cpu} is {state}");
        _edge.Feed(new CpuChanged(cpu, online));
    });

    private async Task ReadPlaneEventsAsync()
    {
        try
        {
            await foreach (DataPlaneEvent e in _plane.Events.ReadAllAsync(_stop.Token))
                _edge.Loop.Post(() => _edge.Take(e));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The gateway stops.
        }
        catch (Exception e)
        {
            _edge.Loop.Post(() => _edge.Fail(e.Message));
        }
    }
}
