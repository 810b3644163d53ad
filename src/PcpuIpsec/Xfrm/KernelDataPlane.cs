using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// The kernel's IPsec (XFRM) as a data plane: docs/kernel-data-plane.md says what is set and why. This part makes and ends it;
/// the others hold traffic, install SAs and take the kernel's events.
/// </summary>
internal sealed partial class KernelDataPlane : IDataPlane
{
    private readonly KernelPlaneOptions _options;
    private readonly XfrmSocket _xfrm;
    private readonly KernelSupport _support;
    private readonly KernelHost _host;
    private readonly Channel<DataPlaneEvent> _events = Channel.CreateUnbounded<DataPlaneEvent>();
    private readonly Lock _lock = new();
    private readonly Dictionary<uint, KernelConnection> _connections = [];
    private readonly Dictionary<XfrmStateId, InstalledSa> _sas = [];
    private readonly KeyHistory _keys = new();
    private readonly IReadOnlyDictionary<string, long> _statisticsAtStart;
    private readonly CancellationTokenSource _stop = new();
    private Thread? _listening;
    private IDisposable? _namespace;
    private bool _disposed;

    /// <summary>On what is there already; <paramref name="xfrm"/> is the plane's from here on.</summary>
    internal KernelDataPlane(KernelPlaneOptions options, XfrmSocket xfrm, KernelSupport support, KernelHost host)
    {
        _options = options;
        _xfrm = xfrm;
        _support = support;
        _host = host;
        // What a killed process has lowered and nobody needs lowered now.
        RestoreAcquireExpiry();
        _statisticsAtStart = host.Statistics();
        Abilities = new DataPlaneAbilities(
            PerCpuSa: support.PerCpu,
            PerCpuAcquire: support.PerCpu,
            TransportMode: true,
            Encapsulation: true)
        {
            RouteBased = true,
            Exceptions = true,
            MssClamping = true,
        };
    }

    public string Name => "kernel";

    public DataPlaneAbilities Abilities { get; }

    public IReadOnlyList<int> Cpus => _options.Cpus;

    public ChannelReader<DataPlaneEvent> Events => _events.Reader;

    /// <summary>Finds out what the kernel can and opens the sockets.</summary>
    /// <exception cref="PcpuIpsecException">The host lacks something; the message is one sentence that says what.</exception>
    public static KernelDataPlane Create(KernelPlaneOptions options) => Create(options, KernelSupport.Probe);

    /// <summary>With another way to find out what the kernel can: policies and acquires are there without ESP too.</summary>
    internal static KernelDataPlane Create(KernelPlaneOptions options, Func<XfrmSocket, KernelSupport> probe)
    {
        KernelSupport.CheckCapability();
        var @namespace = new NamespaceThread(options.NetworkNamespace);
        XfrmSocket? xfrm = null;
        XfrmMonitor? monitor = null;
        try
        {
            (xfrm, monitor) = @namespace.Run(() => (KernelSupport.OpenSocket(), XfrmMonitor.Open(XfrmGroups.Acquire | XfrmGroups.Expire | XfrmGroups.Policy | XfrmGroups.Mapping)));
            KernelSupport support = probe(xfrm);
            AcquireExpiry expiry = @namespace.Run(() => AcquireExpiry.OfThisNamespace(ProcessIdentity.Current));
            var host = new KernelHost(
                () => @namespace.Run(() => XfrmStatistics.Read() ?? new Dictionary<string, long>()),
                (local, takesEsp) => @namespace.Run(() => KernelSockets.Open(local, takesEsp)),
                () => @namespace.Run(expiry.Lower),
                () => @namespace.Run(expiry.Restore),
                fallback => @namespace.Run(() => KernelSockets.Remember(fallback)),
                new KernelRoutes(@namespace.Run(RouteSocket.Open)));
            var plane = new KernelDataPlane(options, xfrm, support, host) { _namespace = @namespace };
            plane.Listen(monitor);
            KernelPlaneLog.Started(options.Logger, CpuList.Format(options.Cpus), support.PerCpu);
            return plane;
        }
        catch
        {
            monitor?.Dispose();
            xfrm?.Dispose();
            @namespace.Dispose();
            throw;
        }
    }

    public Socket OpenIkeSocket(IPEndPoint local) => _host.OpenSocket(local, false);

    public Socket OpenEncapsulationSocket(IPEndPoint local) => _host.OpenSocket(local, true);

    /// <summary>Deletes what is left of our states, and what holds nothing; the policies stay, and with an interface its routes, so what is held stays held.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
        }
        await _stop.CancelAsync().ConfigureAwait(false);
        _listening?.Join();
        lock (_lock)
        {
            // Each for itself: what the kernel refuses for one keeps the others from nothing.
            foreach (KernelConnection connection in _connections.Values)
            {
                connection.Resume?.Dispose();
                connection.LeftTimer?.Dispose();
                OrLater(() => ForgetStates(connection.RequestId));
                OrLater(() => SetFlag(connection, false));
                OrLater(() => _host.Routes.Leave(connection.Policy));
            }
            if (_connections.Values.Any(c => c.Policy.AcquirePerCpu))
                RestoreAcquireExpiry();
            _connections.Clear();
            foreach (InstalledSa sa in _sas.Values)
                sa.Dispose();
            foreach (RetiredState retired in _retired.Values)
                retired.Dispose();
            _retry?.Dispose();
        }
        _xfrm.Dispose();
        _host.Routes.Dispose();
        _keys.Dispose();
        _namespace?.Dispose();
        _stop.Dispose();
        _events.Writer.TryComplete();
    }

    private KernelConnection Required(string connection)
        => _connections.TryGetValue(KernelIds.RequestIdOf(connection), out KernelConnection? found) && found.Policy.Connection == connection
            ? found
            : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"connection = '{connection}': allowed are those whose traffic is held.");

    /// <summary>An SA of ours that is in the kernel.</summary>
    private sealed record InstalledSa(SaDirection Direction, string Connection, XfrmState State, ChosenSuite Suite) : IDisposable
    {
        public bool SoftReported { get; set; }

        /// <summary>Inbound: a packet came.</summary>
        public bool UseReported { get; set; }

        /// <summary>See <see cref="KernelHost.Remember"/>.</summary>
        public IDisposable? Remembered { get; init; }

        public bool IsFallback => Direction == SaDirection.Outbound && State.Cpu is null;

        public void Dispose() => Remembered?.Dispose();
    }
}

/// <summary>What the plane logs.</summary>
internal static partial class KernelPlaneLog
{
    [LoggerMessage(40, LogLevel.Information, "Kernel data plane (XFRM) for the CPUs {Cpus}; SAs by CPU: {PerCpu}")]
    public static partial void Started(ILogger logger, string cpus, bool perCpu);

    [LoggerMessage(41, LogLevel.Information, "Holding the traffic of {Connection}: {Policies} policies with reqid {RequestId}")]
    public static partial void Held(ILogger logger, string connection, int policies, uint requestId);

    [LoggerMessage(42, LogLevel.Information, "Took over what was held of {Connection}; {States} SAs that a process before left carry it until there are new ones")]
    public static partial void TakenOver(ILogger logger, string connection, int states);

    [LoggerMessage(43, LogLevel.Information, "Released the traffic of {Connection}")]
    public static partial void Released(ILogger logger, string connection);

    [LoggerMessage(44, LogLevel.Debug, "Installed {Direction} SA {Spi:x8} of {Connection} for CPU {Cpu}")]
    public static partial void Installed(ILogger logger, SaDirection direction, uint spi, string connection, int? cpu);

    [LoggerMessage(45, LogLevel.Debug, "Removed {Direction} SA {Spi:x8} of {Connection}")]
    public static partial void Removed(ILogger logger, SaDirection direction, uint spi, string connection);

    [LoggerMessage(46, LogLevel.Warning, "Events of the kernel were lost ({Reason}); SAs and acquires are read anew")]
    public static partial void EventsLost(ILogger logger, string reason);

    [LoggerMessage(49, LogLevel.Warning, "Policies of {Connection} were deleted by somebody else; {Policies} were written anew")]
    public static partial void PoliciesPutBack(ILogger logger, string connection, int policies);

    [LoggerMessage(50, LogLevel.Warning, "The kernel refused what is now tried again: {Reason}")]
    public static partial void Refused(ILogger logger, string reason);

    [LoggerMessage(51, LogLevel.Warning, "net.core.xfrm_acq_expires could not be lowered, so an acquire that nobody answers holds up traffic for as long as that tells: {Reason}")]
    public static partial void ExpiryNotLowered(ILogger logger, string reason);

    [LoggerMessage(53, LogLevel.Warning, "net.core.xfrm_acq_expires could not be put back: {Reason}")]
    public static partial void ExpiryNotRestored(ILogger logger, string reason);

    [LoggerMessage(52, LogLevel.Warning, "The kernel's policies may remember the fallback {Spi:x8} of {Connection} and send by it what CPUs have SAs of their own for: {Reason}")]
    public static partial void NotRemembered(ILogger logger, uint spi, string connection, string reason);

    [LoggerMessage(48, LogLevel.Warning, "MTU and segment size of {Connection} could not be fitted to its SA: {Reason}")]
    public static partial void NotFitted(ILogger logger, string connection, string reason);

    [LoggerMessage(54, LogLevel.Information, "The kernel's table of states has no room for {States} SAs, which tunnels to that of {Connection} may have: a packet is lost now and then while it is doubled")]
    public static partial void NoRoom(ILogger logger, string connection, int states);

    [LoggerMessage(55, LogLevel.Information, "The kernel's table of states was not made larger for {Connection}, so a packet is lost now and then while it is doubled: {Reason}")]
    public static partial void RoomRefused(ILogger logger, string connection, string reason);

    [LoggerMessage(47, LogLevel.Debug, "An acquire of {Connection} could not be taken back and goes by itself: {Reason}")]
    public static partial void AcquireLeft(ILogger logger, string connection, string reason);
}
