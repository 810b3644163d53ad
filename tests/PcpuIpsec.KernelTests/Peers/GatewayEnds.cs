using PcpuIpsec.Gateway;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Plane;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>What is rekeyed.</summary>
internal enum RekeyTarget
{
    Ike,
    Fallback,
    Cpu,
}

/// <summary>Two gateways of one make at both ends of a lab, for a script that does the same with each make.</summary>
internal interface IGatewayEnds : IAsyncDisposable
{
    /// <summary>As in results.</summary>
    string Name { get; }

    /// <summary>West initiates; returns once the fallback is up.</summary>
    Task ConnectAsync();

    /// <summary>Waits until each CPU of west sends by a Child SA of its own.</summary>
    Task PerCpuSasAsync();

    /// <summary>Rekeys, and returns once the new SA is there.</summary>
    /// <param name="west">By which end.</param>
    /// <param name="target">What.</param>
    /// <param name="cpu">Whose Child SA, for <see cref="RekeyTarget.Cpu"/>.</param>
    Task RekeyAsync(bool west, RekeyTarget target, int cpu);

    /// <summary>West ends it all.</summary>
    Task CloseAsync();
}

internal sealed class OurEnds(GatewayPair pair) : IGatewayEnds
{
    public string Name => "ours";

    public Task ConnectAsync() => pair.ConnectAsync();

    public Task PerCpuSasAsync() => pair.PerCpuSasAsync();

    public async Task RekeyAsync(bool west, RekeyTarget target, int cpu)
    {
        IpsecGateway gateway = west ? pair.West : pair.East;
        if (target == RekeyTarget.Ike)
        {
            ulong before = (await GatewayPair.StatusAsync(gateway)).IkeSa!.InitiatorSpi;
            try
            {
                await gateway.RekeyIkeSaAsync(GatewayPair.Tunnel);
            }
            catch (PcpuIpsecException e) when (e.Message.Contains("TEMPORARY_FAILURE", StringComparison.Ordinal))
            {
                // The other end's last rekeying is not over yet; ours is tried again by itself.
            }
            await PeerTunnel.UntilAsync(async () => (await GatewayPair.StatusAsync(gateway)).IkeSa is { } ike && ike.InitiatorSpi != before ? null : "our IKE SA is the one from before");
            return;
        }
        ChildSaStatus? child = null;
        // One that the other end has just rekeyed begins to send a little later.
        await PeerTunnel.UntilAsync(async () =>
        {
            child = (await GatewayPair.StatusAsync(gateway)).ChildSas.FirstOrDefault(c => c.OutboundInstalled && (target == RekeyTarget.Fallback ? c.IsFallback : c.Cpu == cpu));
            return child is null ? $"{target} {cpu} has no Child SA to rekey" : null;
        });
        await gateway.RekeyChildSaAsync(GatewayPair.Tunnel, child!.Number);
    }

    public Task CloseAsync() => pair.West.CloseTunnelAsync(GatewayPair.Tunnel);

    public ValueTask DisposeAsync() => pair.DisposeAsync();
}

/// <summary>Two strongSwans with <c>per_cpu_sas = yes</c>: their per-CPU Child SAs come with the traffic, by acquires.</summary>
internal sealed class StrongSwanEnds : IGatewayEnds
{
    private readonly StrongSwan _west, _east;
    private readonly IReadOnlyList<int> _cpus;

    private StrongSwanEnds(StrongSwan west, StrongSwan east, IReadOnlyList<int> cpus, string version)
        => (_west, _east, _cpus, Name) = (west, east, cpus, "strongSwan " + version);

    public string Name { get; }

    public static async Task<StrongSwanEnds> StartAsync(KernelLab lab, IReadOnlyList<int> cpus, string folder)
    {
        lab.Network.AllowPlaintext();
        var options = new StrongSwanOptions { PerCpuSas = "yes" };
        StrongSwan west = await StrongSwan.StartAsync(lab.West, new PeerSystem(tree: null, Path.Combine(folder, "west")), StrongSwanPlane.Kernel);
        StrongSwan east;
        try
        {
            east = await StrongSwan.StartAsync(lab.East, new PeerSystem(tree: null, Path.Combine(folder, "east")), StrongSwanPlane.Kernel);
        }
        catch
        {
            await west.DisposeAsync();
            throw;
        }
        await west.LoadAsync(options, lab.East);
        await east.LoadAsync(options, lab.West);
        return new StrongSwanEnds(west, east, cpus, await west.VersionAsync());
    }

    public Task ConnectAsync() => _west.InitiateAsync();

    public Task PerCpuSasAsync() => PeerTunnel.UntilAsync(async () =>
    {
        int[] missing = [.. _cpus.Except((await InstalledAsync(_west)).Where(c => c.Cpu is not null).Select(c => c.Cpu!.Value))];
        return missing.Length == 0 ? null : $"these CPUs of strongSwan have no Child SA of their own: {string.Join(", ", missing)}";
    });

    public async Task RekeyAsync(bool west, RekeyTarget target, int cpu)
    {
        StrongSwan end = west ? _west : _east;
        if (target == RekeyTarget.Ike)
        {
            ulong before = Assert.Single(await end.ListAsync()).InitiatorSpi;
            await end.RekeyIkeAsync();
            await PeerTunnel.UntilAsync(async () => (await end.ListAsync()).Any(s => s.State == "ESTABLISHED" && s.InitiatorSpi != before) ? null : "strongSwan's IKE SA is the one from before");
            return;
        }
        PeerChildSa child = (await InstalledAsync(end)).First(c => c.Cpu == (target == RekeyTarget.Fallback ? null : cpu));
        await end.RekeyChildAsync(child);
        await PeerTunnel.UntilAsync(async () =>
        {
            IReadOnlyList<PeerChildSa> now = await InstalledAsync(end);
            return now.All(c => c.InboundSpi != child.InboundSpi) && now.Any(c => c.Cpu == child.Cpu) ? null : "strongSwan's Child SA is the one from before";
        });
    }

    public Task CloseAsync() => _west.DeleteIkeAsync();

    public async ValueTask DisposeAsync()
    {
        await _west.DisposeAsync();
        await _east.DisposeAsync();
    }

    private static async Task<IReadOnlyList<PeerChildSa>> InstalledAsync(StrongSwan end) => [.. (await end.ListAsync()).SelectMany(s => s.Children).Where(c => c.IsInstalled)];
}
