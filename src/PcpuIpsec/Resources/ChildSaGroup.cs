using PcpuIpsec.Ike;

namespace PcpuIpsec.Resources;

/// <summary>
/// The Child SAs of one selector pair as one group (RFC 9611 §3): the fallback, which serves every CPU, and those of which each
/// serves one. Takes what happened and when, decides what is wanted; docs/per-cpu-sas.md says why.
/// Not thread-safe: one caller at a time, whose time never goes back.
/// </summary>
internal sealed partial class ChildSaGroup
{
    private readonly GroupOptions _options;
    private readonly IRandomSource _random;
    private readonly List<GroupAction> _actions = [];

    public ChildSaGroup(GroupOptions options, IRandomSource random)
    {
        _options = options;
        _random = random;
    }

    /// <summary>When <see cref="Tick"/> is next of use; null where nothing waits for time.</summary>
    public TimeSpan? NextDeadline { get; private set; }

    /// <summary>Moves what is to be done, in this order, to the end of the list. Call it after every input.</summary>
    public void TakeActions(List<GroupAction> into)
    {
        into.AddRange(_actions);
        _actions.Clear();
    }

    /// <summary>The IKE SA is there. Not called when it is rekeyed: the roles stay those of the first exchange.</summary>
    /// <param name="weInitiated">We sent IKE_SA_INIT's request.</param>
    /// <param name="perResource">Both ends announced SA_RESOURCE_INFO in IKE_AUTH.</param>
    /// <param name="now">The time.</param>
    public void IkeSaUp(bool weInitiated, bool perResource, TimeSpan now) => Evaluate(now);

    /// <summary>The IKE SA is gone, and all its Child SAs with it; no <see cref="ChildDown"/> is called for them.</summary>
    public void IkeSaDown(TimeSpan now) => Evaluate(now);

    /// <summary>A Child SA is there: the fallback, the answer to <see cref="CreateForCpu"/>, or the peer's that <see cref="Place"/> placed.</summary>
    public void ChildUp(ChildSaInfo child, TimeSpan now) => Evaluate(now);

    /// <summary>A Child SA has new keys; its CPU may be another one.</summary>
    public void ChildRekeyed(ChildSaInfo child, TimeSpan now) => Evaluate(now);

    /// <summary>A Child SA is gone: deleted by either end, expired or failed.</summary>
    public void ChildDown(int number, bool deletedByPeer, TimeSpan now) => Evaluate(now);

    /// <summary>The answer to <see cref="CreateForCpu"/> or <see cref="MoveChild"/>, or with null to <see cref="CreateFallback"/>, is a refusal.</summary>
    public void CreateFailed(int? cpu, CreateFailure reason, TimeSpan now) => Evaluate(now);

    /// <summary>A CPU without an outbound SA of its own sends; the selectors are those of its packet (RFC 7296 §2.9).</summary>
    public void Acquire(int cpu, TrafficSelector? local, TrafficSelector? remote, TimeSpan now) => Evaluate(now);

    /// <summary>A CPU went offline or came online. All are online at first.</summary>
    public void CpuChanged(int cpu, bool online, TimeSpan now) => Evaluate(now);

    /// <summary>Time has passed.</summary>
    public void Tick(TimeSpan now) => Evaluate(now);

    /// <summary>
    /// The peer asks for a Child SA with SA_RESOURCE_INFO (not a rekey: that is never refused). Unless refused, the place is reserved
    /// until <see cref="ChildUp"/>, or <see cref="PlacementFailed"/> where the exchange did not succeed.
    /// </summary>
    public Placement Place(TimeSpan now) => new(Refused: _options.Limit == 0, Cpu: null);

    /// <summary>Gives up a reservation of <see cref="Place"/>.</summary>
    public void PlacementFailed(Placement placement, TimeSpan now) => Evaluate(now);

    /// <summary>
    /// The content of SA_RESOURCE_INFO for a Child SA: random, the same for a CPU as long as the group lives, and empty for
    /// the fallback and for a surplus Child SA. Says nothing about the CPU's number (RFC 9611 §9).
    /// </summary>
    public byte[] ResourceIdentifier(int? cpu)
    {
        byte[] identifier = new byte[8];
        _random.Fill(identifier);
        return identifier;
    }

    private void Evaluate(TimeSpan now)
    {
        NextDeadline = null;
    }
}
