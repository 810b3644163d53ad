using PcpuIpsec.Host.Control;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Host.Experiment;

/// <summary>West and east, each in its process.</summary>
internal sealed class GatewayPairProcesses : IAsyncDisposable
{
    private GatewayPairProcesses(GatewayProcess west, GatewayProcess east) => (West, East) = (west, east);

    public GatewayProcess West { get; }

    public GatewayProcess East { get; }

    public static async Task<GatewayPairProcesses> StartAsync(LabNetwork network, GatewayConfiguration west, GatewayConfiguration east, CancellationToken cancellationToken)
    {
        Task<GatewayProcess> startingWest = GatewayProcess.StartAsync(network.West, west, cancellationToken);
        Task<GatewayProcess> startingEast = GatewayProcess.StartAsync(network.East, east, cancellationToken);
        try
        {
            await Task.WhenAll(startingWest, startingEast);
        }
        catch
        {
            foreach (Task<GatewayProcess> starting in (Task<GatewayProcess>[])[startingWest, startingEast])
            {
                if (starting.IsCompletedSuccessfully)
                    await (await starting).DisposeAsync();
            }
            throw;
        }
        return new GatewayPairProcesses(await startingWest, await startingEast);
    }

    /// <summary>West initiates; returns when its fallback is up.</summary>
    public Task ConnectAsync(string tunnel, TimeSpan timeout, CancellationToken cancellationToken)
        => West.AskAsync("start", tunnel, timeout, cancellationToken);

    /// <summary>Waits until both have all their Child SAs.</summary>
    public Task WaitForChildSasAsync(string tunnel, TimeSpan timeout, CancellationToken cancellationToken)
        => Task.WhenAll(West.AskAsync("wait", tunnel, timeout, cancellationToken), East.AskAsync("wait", tunnel, timeout, cancellationToken));

    /// <summary>When the later of both had its fallback.</summary>
    public DateTimeOffset FallbackUp()
    {
        return Max(At(West), At(East));

        static DateTimeOffset At(GatewayProcess gateway)
            => gateway.Events.FirstOrDefault(e => e.Event == "child-up" && e.ChildSa?.IsFallback == true)?.Time
                ?? throw new PcpuIpsecException(PcpuIpsecError.Aborted, $"The gateway {gateway.Name} has not told of its fallback Child SA.");

        static DateTimeOffset Max(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
    }

    public async Task<GatewaySample> SampleAsync(CancellationToken cancellationToken)
    {
        Task<Gateway.GatewayStatus> west = West.GetStatusAsync(cancellationToken), east = East.GetStatusAsync(cancellationToken);
        return new GatewaySample(await west, await east);
    }

    public async ValueTask DisposeAsync()
    {
        // West first: its deletes are answered while east still lives.
        await West.DisposeAsync();
        await East.DisposeAsync();
    }
}
