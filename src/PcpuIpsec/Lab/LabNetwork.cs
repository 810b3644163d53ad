using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Host;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Lab;

/// <summary>
/// Four hosts in network namespaces, joined by veth pairs:
/// <code>
/// sunset ───────── red west black ───────── black east red ───────── sunrise
/// 10.1.0.2    10.1.0.1      10.0.0.1    10.0.0.2      10.2.0.1    10.2.0.2
/// fd00:0:1::2 fd00:0:1::1   fd00::1     fd00::2       fd00:0:2::1 fd00:0:2::2
/// </code>
/// sunset and sunrise have default routes to their gateways; the gateways forward, and know no way to the network behind
/// the other one until <see cref="AllowPlaintext"/> or a data plane gives them one. A veth delivers on its sender's CPU,
/// so a pinned sender is a pinned flow all the way.
/// </summary>
internal sealed class LabNetwork : IAsyncDisposable
{
    private readonly LabOptions _options;
    private readonly LabState _state;
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly Lock _clearing = new();
    private bool _cleared;

    private LabNetwork(LabOptions options)
    {
        _options = options;
        _state = LabState.New(["sunset", "west", "east", "sunrise"]);
    }

    /// <summary>Distinguishes labs that live at the same time.</summary>
    public string Id => _state.Id;

    /// <summary>The protected client behind west.</summary>
    public LabHost Sunset { get; private set; } = null!;

    /// <summary>The left gateway.</summary>
    public LabHost West { get; private set; } = null!;

    /// <summary>The right gateway.</summary>
    public LabHost East { get; private set; } = null!;

    /// <summary>The protected client behind east.</summary>
    public LabHost Sunrise { get; private set; } = null!;

    /// <summary>All four, from left to right.</summary>
    public IReadOnlyList<LabHost> Hosts => [Sunset, West, East, Sunrise];

    /// <summary>Clears what killed labs left, then builds a new one. A failure on the way leaves nothing.</summary>
    public static async Task<LabNetwork> CreateAsync(LabOptions options, CancellationToken cancellationToken)
    {
        options.Validate();
        await LabJanitor.CleanAsync(options.StateFolder);
        var lab = new LabNetwork(options);
        try
        {
            await Task.Run(() => lab.Build(cancellationToken), cancellationToken);
            return lab;
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    /// <summary>Gives the gateways routes to each other's protected network, as a network without IPsec has them.</summary>
    public void AllowPlaintext() => ForEachPlaintextRoute(static (routes, route) => routes.ReplaceRoute(route));

    /// <summary>Takes these routes away again; nothing happens where they are not there.</summary>
    public void ForbidPlaintext() => ForEachPlaintextRoute(static (routes, route) => routes.TryDeleteRoute(route));

    /// <summary>Kills what runs inside and deletes the lab.</summary>
    public async ValueTask DisposeAsync() => await Task.Run(Clear);

    private void Build(CancellationToken cancellationToken)
    {
        AppDomain.CurrentDomain.ProcessExit += ClearAtExit;
        AppDomain.CurrentDomain.UnhandledException += ClearAtExit;
        if (_options.CleanOnSignal)
        {
            foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP])
                _signals.Add(PosixSignalRegistration.Create(signal, _ => Clear()));
        }
        _state.Save(_options.StateFolder);

        Sunset = MakeHost(0, new LabInterface("red", Address("10.1.0.2"), Address("fd00:0:1::2")), null);
        West = MakeHost(1, new LabInterface("red", Address("10.1.0.1"), Address("fd00:0:1::1")), new LabInterface("black", Address("10.0.0.1"), Address("fd00::1")));
        East = MakeHost(2, new LabInterface("red", Address("10.2.0.1"), Address("fd00:0:2::1")), new LabInterface("black", Address("10.0.0.2"), Address("fd00::2")));
        Sunrise = MakeHost(3, new LabInterface("red", Address("10.2.0.2"), Address("fd00:0:2::2")), null);
        cancellationToken.ThrowIfCancellationRequested();

        Connect(Sunset, Sunset.Red, West, West.Red, _options.RedMtu);
        Connect(West, West.Black!, East, East.Black!, _options.BlackMtu);
        Connect(East, East.Red, Sunrise, Sunrise.Red, _options.RedMtu);
        cancellationToken.ThrowIfCancellationRequested();

        foreach (LabHost host in Hosts)
            Configure(host);
        AddDefaultRoutes(Sunset, West);
        AddDefaultRoutes(Sunrise, East);
    }

    private LabHost MakeHost(int index, LabInterface red, LabInterface? black)
    {
        string name = _state.Namespaces[index];
        NetworkNamespace ns = NetworkNamespace.Create(name);
        // Before there are interfaces: they take their settings from "default", and that is the host's own, whatever it be.
        ns.Run(() =>
        {
            foreach (string scope in (ReadOnlySpan<string>)["all", "default"])
            {
                // Decrypted packets come in on another interface than answers to them go out.
                Sysctl($"net/ipv4/conf/{scope}/rp_filter", "0");
                Sysctl($"net/ipv4/conf/{scope}/send_redirects", "0");
                Sysctl($"net/ipv4/conf/{scope}/accept_redirects", "0");
                Sysctl($"net/ipv6/conf/{scope}/disable_ipv6", "0");
                Sysctl($"net/ipv6/conf/{scope}/accept_ra", "0");
                Sysctl($"net/ipv6/conf/{scope}/accept_dad", "0");
            }
            if (black is not null)
            {
                Sysctl("net/ipv4/ip_forward", "1");
                Sysctl("net/ipv6/conf/all/forwarding", "1");
            }
        });
        return new LabHost(name[(name.LastIndexOf('-') + 1)..], ns, red, black);
    }

    private static void Sysctl(string path, string value) => File.WriteAllText("/proc/sys/" + path, value);

    private void Connect(LabHost left, LabInterface leftEnd, LabHost right, LabInterface rightEnd, int mtu)
    {
        int queues = _options.Queues ?? HostCpus.Online().Count;
        using SafeFileHandle rightNamespace = right.Namespace.Open();
        using RouteSocket routes = left.OpenRoutes();
        // The descriptor is this process's, so any of its threads may name it.
        routes.CreateVeth(
            new VethEnd { Name = leftEnd.Name, Mtu = mtu, Queues = queues },
            new VethEnd { Name = rightEnd.Name, Mtu = mtu, Queues = queues, NamespaceFd = (int)rightNamespace.DangerousGetHandle() });
    }

    private static void Configure(LabHost host)
    {
        using RouteSocket routes = host.OpenRoutes();
        foreach (LabInterface end in host.Black is { } black ? (LabInterface[])[host.Red, black] : [host.Red])
        {
            int index = routes.RequireLink(end.Name).Index;
            routes.AddAddress(index, end.Address, LabInterface.PrefixLength);
            routes.AddAddress(index, end.Address6, LabInterface.PrefixLength6);
            routes.SetUp(index);
        }
    }

    private static void AddDefaultRoutes(LabHost client, LabHost gateway)
    {
        using RouteSocket routes = client.OpenRoutes();
        routes.AddRoute(new Route { Destination = new IPNetwork(IPAddress.Any, 0), Gateway = gateway.Red.Address });
        routes.AddRoute(new Route { Destination = new IPNetwork(IPAddress.IPv6Any, 0), Gateway = gateway.Red.Address6 });
    }

    private void ForEachPlaintextRoute(Action<RouteSocket, Route> action)
    {
        foreach ((LabHost near, LabHost far) in (ReadOnlySpan<(LabHost, LabHost)>)[(West, East), (East, West)])
        {
            using RouteSocket routes = near.OpenRoutes();
            action(routes, new Route { Destination = far.Red.Network, Gateway = far.Black!.Address });
            action(routes, new Route { Destination = far.Red.Network6, Gateway = far.Black!.Address6 });
        }
    }

    private static IPAddress Address(string text) => IPAddress.Parse(text);

    private void ClearAtExit(object? sender, EventArgs e) => Clear();

    private void Clear()
    {
        lock (_clearing)
        {
            if (_cleared)
                return;
            LabJanitor.Clear(_state, _options.StateFolder);
            _cleared = true;
        }
        AppDomain.CurrentDomain.ProcessExit -= ClearAtExit;
        AppDomain.CurrentDomain.UnhandledException -= ClearAtExit;
        foreach (PosixSignalRegistration signal in _signals)
            signal.Dispose();
    }
}
