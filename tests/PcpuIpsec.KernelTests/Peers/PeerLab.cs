using System.Net;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>The lab with our gateway at its west and a real peer at its east: one network and one daemon for many tunnels, one after the other.</summary>
internal sealed class PeerLab : IAsyncDisposable
{
    private readonly LabNetwork _network;

    private PeerLab(LabNetwork network, StrongSwan peer, StrongSwanPlane peerPlane, DataPlaneKind plane)
    {
        _network = network;
        Peer = peer;
        PeerPlane = peerPlane;
        Plane = plane;
    }

    public StrongSwan Peer { get; }

    public StrongSwanPlane PeerPlane { get; }

    /// <summary>What carries our packets.</summary>
    public DataPlaneKind Plane { get; }

    public LabHost Ours => _network.West;

    public LabHost Theirs => _network.East;

    /// <summary>The protected client behind us.</summary>
    public LabHost OurClient => _network.Sunset;

    /// <summary>The protected client behind the peer.</summary>
    public LabHost TheirClient => _network.Sunrise;

    public IReadOnlyList<int> Cpus { get; } = HostCpus.Allowed();

    /// <summary>Builds the network and starts the daemon.</summary>
    /// <param name="plane">What carries our packets.</param>
    /// <param name="peerPlane">What carries strongSwan's.</param>
    /// <param name="system">Where strongSwan comes from.</param>
    public static async Task<PeerLab> CreateAsync(DataPlaneKind plane, StrongSwanPlane peerPlane, PeerSystem system)
    {
        LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        try
        {
            // The kernel protects what is routed, and routes nothing itself.
            if (plane == DataPlaneKind.Kernel)
                network.AllowPlaintext();
            return new PeerLab(network, await StrongSwan.StartAsync(network.East, system, peerPlane), peerPlane, plane);
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    /// <summary>Configures both ends; neither initiates yet, our traffic is held.</summary>
    public async Task<PeerTunnel> OpenAsync(StrongSwanOptions theirs, Func<TunnelOptions, TunnelOptions>? ours, Action<string> say)
    {
        int logged = Peer.Log.Length;
        await ConfigurePeerAsync(theirs);
        using Secret key = Secret.CopyOf("the lab's own pre-shared key"u8);
        var tunnel = new TunnelOptions
        {
            Name = PeerTunnel.Name,
            LocalAddress = Ours.Address,
            RemoteAddress = Theirs.Address,
            PreSharedKey = key,
            LocalSelectors = [Ours.Red.Network.ToString()],
            RemoteSelectors = [Theirs.Red.Network.ToString()],
            PerCpu = new PerCpuOptions(),
            RetransmitGiveUp = TimeSpan.FromSeconds(4),
        };
        IpsecGateway gateway = await IpsecGateway.StartAsync(new GatewayOptions
        {
            DataPlane = Plane,
            NetworkNamespace = Ours.Namespace.Path,
            Tunnels = [ours?.Invoke(tunnel) ?? tunnel],
        });
        return new PeerTunnel(this, gateway, logged, say);
    }

    /// <summary>Configures the peer alone.</summary>
    public Task ConfigurePeerAsync(StrongSwanOptions theirs)
        => Peer.LoadAsync(theirs with { Encapsulate = theirs.Encapsulate || PeerPlane == StrongSwanPlane.Process }, Ours);

    /// <summary>Echo requests from each CPU at once; how many of each CPU's were lost.</summary>
    public Task<IReadOnlyDictionary<int, int>> PingAsync(LabHost from, IPAddress to, int count) => PinnedPing.RunAsync(from, to, Cpus, count);

    public async ValueTask DisposeAsync()
    {
        await Peer.DisposeAsync();
        await _network.DisposeAsync();
    }
}
