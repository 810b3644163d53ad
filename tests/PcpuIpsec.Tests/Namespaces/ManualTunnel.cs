using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>How the two planes of a test are joined.</summary>
internal sealed record TunnelShape
{
    public bool OuterIPv6 { get; init; }
    public bool InnerIPv6 { get; init; }
    public IpsecMode Mode { get; init; }
    public bool Encapsulate { get; init; }
    public bool SteerByFlow { get; init; }
    public bool AcquirePerCpu { get; init; }
    public IReadOnlyList<int> WestCpus { get; init; } = [0, 1];
    public IReadOnlyList<int> EastCpus { get; init; } = [0, 1];
    public ChosenSuite Suite { get; init; } = new(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, Esn: false);
    public int EncryptionKeyBytes { get; init; } = 20;
    public int IntegrityKeyBytes { get; init; }
    public SaLifetime WestLifetime { get; init; } = new();
    public int? Mtu { get; init; }

    public IPAddress WestOuter => IPAddress.Parse(OuterIPv6 ? TestNetwork.WestOuter6 : TestNetwork.WestOuter4);
    public IPAddress EastOuter => IPAddress.Parse(OuterIPv6 ? TestNetwork.EastOuter6 : TestNetwork.EastOuter4);

    /// <summary>The ends of the protected traffic: in transport mode the outer addresses themselves.</summary>
    public IPAddress WestInner => Mode == IpsecMode.Transport ? WestOuter : IPAddress.Parse(InnerIPv6 ? TestNetwork.WestInner6 : TestNetwork.WestInner4);
    public IPAddress EastInner => Mode == IpsecMode.Transport ? EastOuter : IPAddress.Parse(InnerIPv6 ? TestNetwork.EastInner6 : TestNetwork.EastInner4);
}

/// <summary>Two planes with manual keys over a <see cref="TestNetwork"/>.</summary>
internal sealed class ManualTunnel : IAsyncDisposable
{
    public const string Connection = "test";
    private readonly List<Socket> _sockets = [];

    private ManualTunnel(TestNetwork network, TunnelShape shape, EmbeddedDataPlane west, EmbeddedDataPlane east)
    {
        Network = network;
        Shape = shape;
        West = west;
        East = east;
    }

    public TestNetwork Network { get; }
    public TunnelShape Shape { get; }
    public EmbeddedDataPlane West { get; }
    public EmbeddedDataPlane East { get; }

    /// <summary>West's and east's sockets for IKE on the port of ESP in UDP.</summary>
    public IReadOnlyList<Socket> EncapsulationSockets => _sockets;
    public IPAddress WestOuter => Shape.WestOuter;
    public IPAddress EastOuter => Shape.EastOuter;
    public IPAddress WestInner => Shape.WestInner;
    public IPAddress EastInner => Shape.EastInner;

    /// <summary>Makes both planes and holds the traffic at both ends; no SA yet.</summary>
    public static async Task<ManualTunnel> HoldAsync(TestNetwork network, TunnelShape shape)
    {
        EmbeddedDataPlane west = await CreateAsync(network.WestName, shape, shape.WestCpus);
        EmbeddedDataPlane east = await CreateAsync(network.EastName, shape, shape.EastCpus);
        var tunnel = new ManualTunnel(network, shape, west, east);
        if (shape.Encapsulate)
        {
            tunnel._sockets.Add(west.OpenEncapsulationSocket(new IPEndPoint(tunnel.WestOuter, 4500)));
            tunnel._sockets.Add(east.OpenEncapsulationSocket(new IPEndPoint(tunnel.EastOuter, 4500)));
        }
        await west.HoldAsync(tunnel.Policy(ofWest: true), default);
        await east.HoldAsync(tunnel.Policy(ofWest: false), default);
        await west.AllowAcquiresAsync(Connection, allowed: true, default);
        await east.AllowAcquiresAsync(Connection, allowed: true, default);
        return tunnel;
    }

    /// <summary>Holds, and installs the fallback and one pair of SAs for each of west's CPUs.</summary>
    public static async Task<ManualTunnel> UpAsync(TestNetwork network, TunnelShape shape, bool perCpu = true)
    {
        ManualTunnel tunnel = await HoldAsync(network, shape);
        await tunnel.InstallPairAsync(null, null);
        if (perCpu)
        {
            for (int i = 0; i < shape.WestCpus.Count; i++)
                await tunnel.InstallPairAsync(shape.WestCpus[i], i < shape.EastCpus.Count ? shape.EastCpus[i] : null);
        }
        return tunnel;
    }

    /// <summary>Installs a Child SA, inbound halves first.</summary>
    /// <returns>The SPI of west's outbound half and that of west's inbound half.</returns>
    public async Task<(uint Outbound, uint Inbound)> InstallPairAsync(int? westCpu, int? eastCpu, uint? replaces = null)
    {
        uint toEast = await East.ReserveSpiAsync(Connection, eastCpu, EastOuter, WestOuter, default);
        uint toWest = await West.ReserveSpiAsync(Connection, westCpu, WestOuter, EastOuter, default);
        await East.InstallAsync(Sa(SaDirection.Inbound, toEast, ofWest: false, eastCpu), default);
        await West.InstallAsync(Sa(SaDirection.Inbound, toWest, ofWest: true, westCpu), default);
        await West.InstallAsync(Sa(SaDirection.Outbound, toEast, ofWest: true, westCpu) with { Replaces = replaces, Lifetime = Shape.WestLifetime }, default);
        await East.InstallAsync(Sa(SaDirection.Outbound, toWest, ofWest: false, eastCpu), default);
        return (toEast, toWest);
    }

    public SaInstallation Sa(SaDirection direction, uint spi, bool ofWest, int? cpu) => Sa(Shape, direction, spi, ofWest, cpu);

    public static SaInstallation Sa(TunnelShape shape, SaDirection direction, uint spi, bool ofWest, int? cpu)
    {
        bool fromWest = ofWest == (direction == SaDirection.Outbound);
        TrafficPolicy policy = Policy(shape, ofWest);
        return new SaInstallation
        {
            Direction = direction,
            Connection = Connection,
            Spi = spi,
            Source = fromWest ? shape.WestOuter : shape.EastOuter,
            Destination = fromWest ? shape.EastOuter : shape.WestOuter,
            Suite = shape.Suite,
            EncryptionKey = Key(shape.EncryptionKeyBytes, spi),
            IntegrityKey = Key(shape.IntegrityKeyBytes, ~spi),
            Mode = shape.Mode,
            LocalSelectors = policy.LocalSelectors,
            RemoteSelectors = policy.RemoteSelectors,
            Cpu = cpu,
            Encapsulation = shape.Encapsulate ? new UdpEncapsulation(4500, 4500) : null,
            ReplayWindow = 1024,
        };
    }

    public TrafficPolicy Policy(bool ofWest) => Policy(Shape, ofWest);

    public static TrafficPolicy Policy(TunnelShape shape, bool ofWest)
    {
        TrafficSelector west = Selector(shape.WestInner), east = Selector(shape.EastInner);
        return new TrafficPolicy
        {
            Connection = Connection,
            Mode = shape.Mode,
            LocalSelectors = [ofWest ? west : east],
            RemoteSelectors = [ofWest ? east : west],
            LocalAddress = ofWest ? shape.WestOuter : shape.EastOuter,
            RemoteAddress = ofWest ? shape.EastOuter : shape.WestOuter,
            AcquirePerCpu = shape.AcquirePerCpu,
        };
    }

    /// <summary>Any packet of one address, or of the /16 or /32 around an inner one.</summary>
    public static TrafficSelector Selector(IPAddress address, byte protocol = 0, ushort startPort = 0, ushort endPort = ushort.MaxValue)
    {
        bool isIPv6 = address.AddressFamily == AddressFamily.InterNetworkV6;
        UInt128 number = TrafficSelector.ToNumber(address);
        bool isInner = isIPv6 ? number >> 120 == 0xfd : number >> 24 == 10;
        UInt128 mask = !isInner ? 0 : isIPv6 ? UInt128.MaxValue >> 32 : 0xffff;
        return new TrafficSelector(isIPv6, protocol, startPort, endPort, number & ~mask, number | mask);
    }

    public async ValueTask DisposeAsync()
    {
        await West.DisposeAsync();
        await East.DisposeAsync();
        foreach (Socket socket in _sockets)
            socket.Dispose();
    }

    private static ValueTask<EmbeddedDataPlane> CreateAsync(string name, TunnelShape shape, IReadOnlyList<int> cpus)
        => EmbeddedDataPlane.CreateAsync(new EmbeddedOptions
        {
            Cpus = cpus,
            NetworkNamespace = TestNetwork.PathOf(name),
            SteerByFlow = shape.SteerByFlow,
            Mtu = shape.Mtu,
        }, default);

    private static Secret Key(int length, uint seed)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
            bytes[i] = (byte)((seed >> (i % 4 * 8)) + (uint)i);
        return Secret.CopyOf(bytes);
    }
}
