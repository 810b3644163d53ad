using System.Net.Http.Json;

namespace PcpuIpsec.Client;

public sealed partial class DaemonClient
{
    /// <summary>How each interface of the daemon's namespace is tuned.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<IReadOnlyList<NicTuning>> GetNicsAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, "v1/nics", null, WireJson.Default.IReadOnlyListNicTuning, cancellationToken);

    /// <summary>The IRQs of each interface, and where they go.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<IReadOnlyList<IrqAffinity>> GetIrqsAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, "v1/irqs", null, WireJson.Default.IReadOnlyListIrqAffinity, cancellationToken);

    /// <summary>Changes an interface, each setting noted first; where one is refused nothing is changed.</summary>
    /// <param name="nic">The interface.</param>
    /// <param name="request">What it is to be.</param>
    /// <param name="planOnly">Tell what would be done.</param>
    /// <param name="cancellationToken">Gives the wait up, not the change.</param>
    public Task<IReadOnlyList<TuningChange>> TuneNicAsync(string nic, NicTuningRequest request, bool planOnly = false, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Post, NicPath(nic) + "/tuning" + Plan(planOnly), JsonContent.Create(request, WireJson.Default.NicTuningRequest), WireJson.Default.IReadOnlyListTuningChange, cancellationToken);

    /// <summary>Has an interface's IRQs go to CPUs, one queue each.</summary>
    /// <param name="nic">The interface.</param>
    /// <param name="request">Which CPUs.</param>
    /// <param name="planOnly">Tell what would be done.</param>
    /// <param name="cancellationToken">Gives the wait up, not the change.</param>
    public Task<IReadOnlyList<TuningChange>> SetIrqsAsync(string nic, IrqAffinityRequest request, bool planOnly = false, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Post, NicPath(nic) + "/irqs" + Plan(planOnly), JsonContent.Create(request, WireJson.Default.IrqAffinityRequest), WireJson.Default.IReadOnlyListTuningChange, cancellationToken);

    /// <summary>Tunes interfaces and host for IPsec, as far as they can be.</summary>
    /// <param name="request">Which interfaces and CPUs.</param>
    /// <param name="planOnly">Tell what would be done.</param>
    /// <param name="cancellationToken">Gives the wait up, not the change.</param>
    public Task<IReadOnlyList<TuningChange>> OptimizeHostAsync(OptimizeRequest request, bool planOnly = false, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Post, "v1/host/optimize" + Plan(planOnly), JsonContent.Create(request, WireJson.Default.OptimizeRequest), WireJson.Default.IReadOnlyListTuningChange, cancellationToken);

    /// <summary>Puts back everything that was changed on the host, what was changed last first.</summary>
    /// <param name="planOnly">Tell what would be done.</param>
    /// <param name="cancellationToken">Gives the wait up, not the change.</param>
    public Task<IReadOnlyList<TuningChange>> RestoreHostAsync(bool planOnly = false, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Post, "v1/host/restore" + Plan(planOnly), null, WireJson.Default.IReadOnlyListTuningChange, cancellationToken);

    private static string NicPath(string nic) => $"v1/nics/{Uri.EscapeDataString(nic)}";

    private static string Plan(bool planOnly) => planOnly ? "?plan=true" : "";
}
