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

    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(3);

    private GatewayPair(IpsecGateway west, IpsecGateway east) => (West, East) = (west, east);

    public IpsecGateway West { get; }

    public IpsecGateway East { get; }

    /// <summary>Starts both gateways; nobody initiates yet.</summary>
    /// <param name="lab">Where.</param>
    /// <param name="options">Changes the options of a tunnel, which has one Child SA a CPU and is not rekeyed by itself, by where it is and where its peer is.</param>
    public static async Task<GatewayPair> StartAsync(KernelLab lab, Func<TunnelOptions, LabHost, LabHost, TunnelOptions>? options = null)
    {
        IpsecGateway west = await StartOneAsync(lab, lab.West, options);
        try
        {
            return new GatewayPair(west, await StartOneAsync(lab, lab.East, options));
        }
        catch
        {
            await west.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the gateway of one host.</summary>
    public static async Task<IpsecGateway> StartOneAsync(KernelLab lab, LabHost here, Func<TunnelOptions, LabHost, LabHost, TunnelOptions>? options = null)
    {
        lab.Network.AllowPlaintext();
        LabHost there = here == lab.West ? lab.East : lab.West;
        using Secret key = Secret.CopyOf("the lab's own pre-shared key"u8);
        var tunnel = new TunnelOptions
        {
            Name = Tunnel,
            LocalAddress = here.Address,
            RemoteAddress = there.Address,
            PreSharedKey = key,
            LocalSelectors = [here.Red.Network.ToString()],
            RemoteSelectors = [there.Red.Network.ToString()],
            PerCpu = new PerCpuOptions(),
            ChildRekeyTime = null,
            IkeRekeyTime = null,
            ReplayWindow = 1024,
        };
        // By itself, as it is on a gateway that says nothing.
        IpsecGateway gateway = await IpsecGateway.StartAsync(new GatewayOptions
        {
            DataPlane = DataPlaneKind.Auto,
            NetworkNamespace = here.Namespace.Path,
            Tunnels = [options?.Invoke(tunnel, here, there) ?? tunnel],
        });
        GatewayStatus status = await gateway.GetStatusAsync();
        Assert.Equal(("kernel", "auto takes the kernel's: it has ESP and binds SAs to CPUs"), (status.DataPlane, status.DataPlaneReason));
        return gateway;
    }

    /// <summary>West initiates; returns once both have their fallbacks.</summary>
    public async Task ConnectAsync()
    {
        using var timeout = new CancellationTokenSource(_timeout);
        await West.ConnectAsync(Tunnel, timeout.Token);
        await East.ConnectAsync(Tunnel, timeout.Token);
    }

    /// <summary>Waits until each CPU of both has its Child SA.</summary>
    public async Task PerCpuSasAsync()
    {
        using var timeout = new CancellationTokenSource(_timeout);
        await Task.WhenAll(West.WaitForChildSasAsync(Tunnel, timeout.Token), East.WaitForChildSasAsync(Tunnel, timeout.Token));
    }

    /// <summary>The tunnel as one of the gateways sees it.</summary>
    public static async Task<TunnelStatus> StatusAsync(IpsecGateway gateway) => Assert.Single((await gateway.GetStatusAsync()).Tunnels);

    /// <summary>The Child SA that a CPU of a gateway sends by.</summary>
    public static async Task<ChildSaStatus> OfCpuAsync(IpsecGateway gateway, int cpu)
        => Assert.Single((await StatusAsync(gateway)).ChildSas, c => c.Cpu == cpu && c.OutboundInstalled);

    public static async Task<ChildSaStatus> FallbackAsync(IpsecGateway gateway)
        => Assert.Single((await StatusAsync(gateway)).ChildSas, c => c.IsFallback);

    public async ValueTask DisposeAsync()
    {
        await West.DisposeAsync();
        await East.DisposeAsync();
    }
}
