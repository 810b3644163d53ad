using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Bpf;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Esp;

/// <summary>
/// ESP in user space (RFC 4303) for hosts whose kernel cannot: a multi-queue TUN brings protected traffic, one worker a CPU,
/// pinned there, carries it. This part makes and ends the plane; the others install SAs and hold traffic.
/// </summary>
internal sealed partial class EmbeddedDataPlane : IDataPlane
{
    private readonly EmbeddedOptions _options;
    private readonly Channel<DataPlaneEvent> _events = Channel.CreateUnbounded<DataPlaneEvent>();
    private readonly SemaphoreSlim _control = new(1, 1);
    private readonly PlaneTables _tables;
    private readonly SpiPool _spis;
    private readonly NamespaceThread _namespace;
    private readonly List<int> _sockets = [];
    private readonly List<EspSocket>[] _rawSockets;
    private readonly Worker[] _workers;
    private readonly RouteSocket _routes;
    private readonly TunDevice _tun;
    private readonly TrafficHold _hold;
    private readonly Timer _housekeeping;
    private bool _disposed;

    private EmbeddedDataPlane(EmbeddedOptions options, NamespaceThread @namespace)
    {
        _options = options;
        _namespace = @namespace;
        int workers = options.Cpus.Count;
        _tables = new PlaneTables(workers);
        _spis = new SpiPool(workers);
        _rawSockets = new List<EspSocket>[workers];
        _workers = new Worker[workers];
        try
        {
            _routes = RouteSocket.Open();
            _hold = new TrafficHold(_routes, options.InterfaceName, options.FwMark);
            _tun = TunDevice.Create(options, _routes);
            for (int i = 0; i < workers; i++)
                _rawSockets[i] = OpenRawSockets(i);
            int rawIPv4 = Keep(PlaneSockets.OpenRawIp(isIPv6: false, options.FwMark));
            int rawIPv6 = Keep(PlaneSockets.OpenRawIp(isIPv6: true, options.FwMark));
            WorkerView[] views = _tables.MakeViews(i => _rawSockets[i]);
            for (int i = 0; i < workers; i++)
            {
                _workers[i] = new Worker(new WorkerOptions
                {
                    Index = i,
                    Cpu = options.Cpus[i],
                    TunQueue = _tun.Queue(i),
                    RawIPv4 = rawIPv4,
                    RawIPv6 = rawIPv6,
                    Mark = options.FwMark,
                    View = views[i],
                    Events = _events.Writer,
                });
                _workers[i].Progressed += OnWorkerProgressed;
            }
        }
        catch
        {
            CloseAll();
            throw;
        }
        _housekeeping = new Timer(_ => CheckSas(), null, Timeout.Infinite, Timeout.Infinite);
    }

    public string Name => "embedded";

    public DataPlaneAbilities Abilities { get; } = new(PerCpuSa: true, PerCpuAcquire: true, TransportMode: true, Encapsulation: true);

    public IReadOnlyList<int> Cpus => _options.Cpus;

    public ChannelReader<DataPlaneEvent> Events => _events.Reader;

    /// <summary>The TUN interface's MTU.</summary>
    public int Mtu => _tun.Mtu;

    /// <summary>Makes the TUN, the sockets and the workers.</summary>
    /// <exception cref="PcpuIpsecException">An option is wrong, or the host lacks a device, a capability or a CPU; the message says which.</exception>
    public static async ValueTask<EmbeddedDataPlane> CreateAsync(EmbeddedOptions options, CancellationToken cancellationToken)
    {
        options = options with { Cpus = [.. options.Cpus] };
        HostRequirements.Check(options);
        var @namespace = new NamespaceThread(options.NetworkNamespace);
        EmbeddedDataPlane plane;
        try
        {
            plane = @namespace.Run(() => new EmbeddedDataPlane(options, @namespace));
        }
        catch
        {
            @namespace.Dispose();
            throw;
        }
        try
        {
            // Threads inherit the namespace of the one that starts them.
            Task[] started = @namespace.Run(() => plane._workers.Select(w => w.StartAsync()).ToArray());
            await Task.WhenAll(started).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await plane.DisposeAsync().ConfigureAwait(false);
            throw;
        }
        plane._housekeeping.Change(_housekeepingPeriod, _housekeepingPeriod);
        PlaneLog.Started(options.Logger, options.InterfaceName, plane._tun.Mtu, Host.CpuList.Format(options.Cpus));
        return plane;
    }

    public Socket OpenIkeSocket(IPEndPoint local)
        => Wrap(_namespace.Run(() => PlaneSockets.OpenIke(local, _options.FwMark, groupProgram: null)));

    /// <inheritdoc/>
    /// <remarks>Close it after the plane: the kernel numbers the sockets of a port anew when one goes, and workers would get IKE.</remarks>
    public Socket OpenEncapsulationSocket(IPEndPoint local)
    {
        _control.Wait();
        try
        {
            if (_groups.Exists(g => g.Local.Equals(local)))
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"local = {local}: its socket is open already; one for each address and port is allowed.");
            int[] sockets = new int[_workers.Length];
            int ike = _namespace.Run(() => OpenGroup(local, sockets));
            _groups.Add(new EncapsulationGroup(local, sockets));
            _tables.AddSockets(sockets);
            Publish();
            return Wrap(ike);
        }
        finally
        {
            _control.Release();
        }
    }

    public IReadOnlyDictionary<string, long> ReadDropCounters()
    {
        var drops = new SortedDictionary<string, long>(StringComparer.Ordinal);
        // What is well is no drop.
        for (int i = (int)EspVerdict.Ok + 1; i < DropCounters.Count; i++)
        {
            long total = 0;
            foreach (Worker worker in _workers)
                total += worker.Drops[i];
            string name = DropCounters.Name(i);
            drops[name] = drops.GetValueOrDefault(name) + total;
        }
        return drops;
    }

    public async ValueTask DisposeAsync()
    {
        await _control.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_disposed)
                return;
            _disposed = true;
            await _housekeeping.DisposeAsync().ConfigureAwait(false);
            CloseAll();
            _namespace.Dispose();
            foreach (SaEntry entry in _tables.Inbound.Concat<SaEntry>(_tables.Outbound))
                entry.Dispose();
            _events.Writer.TryComplete();
        }
        finally
        {
            _control.Release();
        }
    }

    private List<EspSocket> OpenRawSockets(int worker)
    {
        List<EspSocket> sockets = [];
        foreach (bool isIPv6 in (ReadOnlySpan<bool>)[false, true])
        {
            int fd = Keep(PlaneSockets.OpenRawEsp(isIPv6, worker, _workers.Length, _options.FwMark));
            if (fd >= 0)
                sockets.Add(new EspSocket(fd, HasIPv4Header: !isIPv6));
        }
        return sockets;
    }

    /// <summary>IKE's socket first, then each worker's: the group's program counts them in the order in which they were bound.</summary>
    private int OpenGroup(IPEndPoint local, int[] sockets)
    {
        int ike = PlaneSockets.OpenIke(local, _options.FwMark, ClassicBpf.SelectSocket(sockets.Length));
        int opened = 0;
        try
        {
            for (; opened < sockets.Length; opened++)
                sockets[opened] = PlaneSockets.OpenUdpEsp(local, share: true, _options.FwMark);
        }
        catch
        {
            Libc.Close(ike);
            foreach (int socket in sockets.AsSpan(0, opened))
                Libc.Close(socket);
            throw;
        }
        foreach (int socket in sockets)
            Keep(socket);
        return ike;
    }

    private int Keep(int socket)
    {
        if (socket >= 0)
            _sockets.Add(socket);
        return socket;
    }

    private void CloseAll()
    {
        foreach (Worker? worker in _workers)
            worker?.Dispose();
        _tun?.Dispose();
        foreach (int socket in _sockets)
            Libc.Close(socket);
        _sockets.Clear();
        _routes?.Dispose();
    }

    private static Socket Wrap(int socket) => new(new SafeSocketHandle(socket, ownsHandle: true));

    /// <summary>The workers' sockets on one address and port for ESP in UDP.</summary>
    private sealed record EncapsulationGroup(IPEndPoint Local, int[] Sockets);

    private readonly List<EncapsulationGroup> _groups = [];
}

/// <summary>What the plane logs.</summary>
internal static partial class PlaneLog
{
    [LoggerMessage(1, LogLevel.Information, "Embedded data plane on {Interface} (MTU {Mtu}) with a worker on each of the CPUs {Cpus}")]
    public static partial void Started(ILogger logger, string @interface, int mtu, string cpus);

    [LoggerMessage(2, LogLevel.Information, "Holding the traffic of {Connection}: {Rules} routing rules to table {Table}")]
    public static partial void Held(ILogger logger, string connection, int rules, uint table);

    [LoggerMessage(3, LogLevel.Information, "Released the traffic of {Connection}")]
    public static partial void Released(ILogger logger, string connection);

    [LoggerMessage(4, LogLevel.Debug, "Installed {Direction} SA {Spi} of {Connection} for CPU {Cpu}, path MTU {PathMtu}")]
    public static partial void Installed(ILogger logger, Ike.SaDirection direction, string spi, string connection, int? cpu, int? pathMtu);

    [LoggerMessage(5, LogLevel.Debug, "Removed {Direction} SA {Spi} of {Connection}")]
    public static partial void Removed(ILogger logger, Ike.SaDirection direction, string spi, string connection);

    [LoggerMessage(6, LogLevel.Warning, "{Connection} protects its peer's own address {Peer}, and {Setting} = 1 makes the kernel drop the peer's IKE and ESP packets: set it to 2 (loose)")]
    public static partial void StrictReversePath(ILogger logger, string connection, IPAddress peer, string setting);
}
