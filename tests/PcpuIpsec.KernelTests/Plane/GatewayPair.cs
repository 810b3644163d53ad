using PcpuIpsec.Gateway;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>
/// Two of our gateways on the kernel's ESP, one at each end of a lab. The routes that plaintext would take are there: what
/// keeps it from leaving is what the gateways hold.
/// </summary>
internal sealed class GatewayPair : IAsyncDisposable
{
    public const string Tunnel = "lab";

    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(60);

    private readonly Func<TunnelOptions, LabHost, LabHost, TunnelOptions> _options;

    private GatewayPair(KernelLab lab, Func<TunnelOptions, LabHost, LabHost, TunnelOptions> options) => (Lab, _options) = (lab, options);

    public KernelLab Lab { get; }

    public IpsecGateway West { get; private set; } = null!;

    public IpsecGateway East { get; private set; } = null!;

    /// <summary>Starts both gateways; nobody initiates yet.</summary>
    /// <param name="lab">Where.</param>
    /// <param name="options">Changes the options of a tunnel, which has one Child SA a CPU and is not rekeyed by itself, by where it is and where its peer is.</param>
    public static async Task<GatewayPair> StartAsync(KernelLab lab, Func<TunnelOptions, LabHost, LabHost, TunnelOptions>? options = null)
    {
        var pair = new GatewayPair(lab, options ?? ((o, _, _) => o));
        lab.Network.AllowPlaintext();
        try
        {
            pair.West = await pair.StartOneAsync(lab.West, lab.East);
            pair.East = await pair.StartOneAsync(lab.East, lab.West);
            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <summary>West initiates; returns once each CPU of both has its Child SA, or with those on demand the fallback.</summary>
    public async Task ConnectAsync()
    {
        using var timeout = new CancellationTokenSource(_timeout);
        await West.ConnectAsync(Tunnel, timeout.Token);
        await Task.WhenAll(West.WaitForChildSasAsync(Tunnel, timeout.Token), East.WaitForChildSasAsync(Tunnel, timeout.Token));
    }

    /// <summary>The tunnel as one of the gateways sees it.</summary>
    public static async Task<TunnelStatus> StatusAsync(IpsecGateway gateway) => Assert.Single((await gateway.GetStatusAsync()).Tunnels);

    /// <summary>The Child SA that a CPU of a gateway sends by.</summary>
    public static async Task<ChildSaStatus> OfCpuAsync(IpsecGateway gateway, int cpu)
        => Assert.Single((await StatusAsync(gateway)).ChildSas, c => c.Cpu == cpu && c.OutboundInstalled);

    public static async Task<ChildSaStatus> FallbackAsync(IpsecGateway gateway)
        => Assert.Single((await StatusAsync(gateway)).ChildSas, c => c.IsFallback);

    /// <summary>The options of the tunnel at one end; the key in it is the caller's to dispose.</summary>
    public TunnelOptions OptionsOf(LabHost here, LabHost there) => _options(
        new TunnelOptions
        {
            Name = Tunnel,
            LocalAddress = here.Address,
            RemoteAddress = there.Address,
            PreSharedKey = Secret.CopyOf("the lab's own pre-shared key"u8),
            LocalSelectors = [here.Red.Network.ToString()],
            RemoteSelectors = [there.Red.Network.ToString()],
            PerCpu = new PerCpuOptions(),
            ChildRekeyTime = null,
            IkeRekeyTime = null,
            ReplayWindow = 1024,
        },
        here,
        there);

    public async Task RestartWestAsync()
    {
        await West.DisposeAsync();
        West = await StartOneAsync(Lab.West, Lab.East);
    }

    public async ValueTask DisposeAsync()
    {
        // Either may not have been started.
        if (West is { } west)
            await west.DisposeAsync();
        if (East is { } east)
            await east.DisposeAsync();
    }

    private async Task<IpsecGateway> StartOneAsync(LabHost here, LabHost there)
    {
        TunnelOptions tunnel = OptionsOf(here, there);
        using Secret? key = tunnel.PreSharedKey;
        return await IpsecGateway.StartAsync(new GatewayOptions { DataPlane = DataPlaneKind.Kernel, NetworkNamespace = here.Namespace.Path, Tunnels = [tunnel] });
    }
}
