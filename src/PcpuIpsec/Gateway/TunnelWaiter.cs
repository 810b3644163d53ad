using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

/// <summary>Somebody who waits for a tunnel to get somewhere. Touched on the event loop alone, but for its task.</summary>
internal sealed class TunnelWaiter
{
    private readonly TaskCompletionSource _outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Looked at whenever the tunnel may have changed; the snapshot is null once the protocol has forgotten the tunnel.</summary>
    public Func<ConnectionSnapshot?, bool> IsDone { get; init; } = static _ => false;

    /// <summary>Looked at with each notice of the tunnel.</summary>
    public Func<IkeNotice, bool> IsDoneBy { get; init; } = static _ => false;

    /// <summary>Looked at with each notice of the tunnel, and where the tunnel stands after it: why the wait has failed, or null.</summary>
    public Func<IkeNotice, ConnectionSnapshot?, PcpuIpsecException?> FailsBy { get; init; } = static (_, _) => null;

    public Task Task => _outcome.Task;

    public void Succeed() => _outcome.TrySetResult();

    public void Fail(PcpuIpsecException error) => _outcome.TrySetException(error);

    public static PcpuIpsecException Failure(string tunnel, PcpuIpsecError error, string reason) => new(error, $"Tunnel '{tunnel}': {reason}");

    /// <summary>
    /// The end of the IKE SA, or of our attempt at one, as the failure of what waits for it. Not that of a second one beside
    /// it, nor of what somebody else attempts: anyone can send an IKE_SA_INIT that fails.
    /// </summary>
    public static PcpuIpsecException? IkeSaLost(IkeNotice notice, ConnectionSnapshot? after) => notice switch
    {
        IkeSaFailed n when after is null or { State: "down" } => Failure(n.Connection, n.Error, n.Reason),
        IkeSaClosed n when after is not { State: "up" } => Failure(n.Connection, n.Error ?? PcpuIpsecError.Aborted, n.Reason),
        _ => null,
    };

    /// <summary>As <see cref="IkeSaLost"/>, and the failure of a Child SA for a CPU (null: the fallback) too.</summary>
    public static PcpuIpsecException? IkeOrChildSaLost(IkeNotice notice, ConnectionSnapshot? after, int? cpu) => notice switch
    {
        ChildSaFailed n when n.Cpu == cpu => Failure(n.Connection, n.Error, n.Reason),
        _ => IkeSaLost(notice, after),
    };
}
