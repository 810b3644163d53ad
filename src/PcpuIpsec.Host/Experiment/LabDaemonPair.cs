using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Host.Experiment;

/// <summary>West and east, each in its process.</summary>
internal sealed class LabDaemonPair : IAsyncDisposable
{
    private static readonly TimeSpan _sampleTimeout = TimeSpan.FromSeconds(60);

    private LabDaemonPair(LabDaemon west, LabDaemon east) => (West, East) = (west, east);

    public LabDaemon West { get; }

    public LabDaemon East { get; }

    public static async Task<LabDaemonPair> StartAsync(LabNetwork network, DataPlaneKind plane, IReadOnlyList<int> cpus, TunnelDefinition west, TunnelDefinition east, CancellationToken cancellationToken)
    {
        Task<LabDaemon> startingWest = LabDaemon.StartAsync(network.West, plane, cpus, west, cancellationToken);
        Task<LabDaemon> startingEast = LabDaemon.StartAsync(network.East, plane, cpus, east, cancellationToken);
        try
        {
            await Task.WhenAll(startingWest, startingEast);
        }
        catch
        {
            foreach (Task<LabDaemon> starting in (Task<LabDaemon>[])[startingWest, startingEast])
            {
                if (starting.IsCompletedSuccessfully)
                    await (await starting).DisposeAsync();
            }
            throw;
        }
        return new LabDaemonPair(await startingWest, await startingEast);
    }

    /// <summary>West initiates; returns when its fallback is up.</summary>
    public Task ConnectAsync(string tunnel, TimeSpan timeout, CancellationToken cancellationToken)
        => West.AskAsync((client, stop) => client.StartTunnelAsync(tunnel, allChildSas: false, stop), timeout, cancellationToken);

    /// <summary>Waits until both have all their Child SAs.</summary>
    public Task WaitForChildSasAsync(string tunnel, TimeSpan timeout, CancellationToken cancellationToken)
        => Task.WhenAll(new[] { West, East }.Select(d => d.AskAsync((client, stop) => client.StartTunnelAsync(tunnel, allChildSas: true, stop), timeout, cancellationToken)));

    /// <summary>When the later of both had its fallback.</summary>
    public async Task<DateTimeOffset> FallbackUpAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset west = await AtAsync(West), east = await AtAsync(East);
        return west > east ? west : east;

        async Task<DateTimeOffset> AtAsync(LabDaemon daemon)
        {
            IReadOnlyList<DaemonEvent> events = await daemon.AskAsync((client, stop) => client.GetEventsAsync(stop), _sampleTimeout, cancellationToken);
            return events.FirstOrDefault(e => e is { Kind: "child-sa-established", ChildSa.IsFallback: true })?.Time
                ?? throw new PcpuIpsecException(PcpuIpsecError.Aborted, $"The gateway {daemon.Name} has not told of its fallback Child SA.");
        }
    }

    public async Task<GatewaySample> SampleAsync(CancellationToken cancellationToken)
    {
        Task<GatewayView> west = ViewAsync(West), east = ViewAsync(East);
        return new GatewaySample(await west, await east);

        Task<GatewayView> ViewAsync(LabDaemon daemon) => daemon.AskAsync(
            async (client, stop) => new GatewayView(await client.GetChildSasAsync(cancellationToken: stop), (await client.GetInfoAsync(stop)).DropCounters),
            _sampleTimeout,
            cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        // West first: its deletes are answered while east still lives.
        await West.DisposeAsync();
        await East.DisposeAsync();
    }
}
