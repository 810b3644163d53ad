using System.Buffers.Binary;
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
    private readonly ResourceIdentifiers _identifiers;
    private readonly int[] _numbers;
    private readonly CpuState[] _cpus;
    private readonly SortedDictionary<int, GroupChild> _children = [];
    private readonly List<GroupAction> _actions = [];

    private bool _up;
    private bool _weInitiated;
    private bool _perResource;

    /// <summary>When a Child SA last came, went, or was asked for by either end.</summary>
    private TimeSpan _lastActivity;
    private TimeSpan _holdOff;

    /// <summary>Acquires of CPUs that get no Child SA of their own: none is allowed for a while.</summary>
    private int _strays;
    private TimeSpan _strayUntil;

    public ChildSaGroup(GroupOptions options, IRandomSource random)
    {
        _options = options;
        _random = random;
        _identifiers = new ResourceIdentifiers(random);
        _numbers = [.. options.Cpus];
        _cpus = [.. _numbers.Select(number => new CpuState(number))];
    }

    /// <summary>A CPU without an SA of its own may say so (on demand); else the fallback carries its packets and it keeps silent.</summary>
    public bool AcquiresAllowed { get; private set; }

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
    /// <param name="setupTime">What the IKE SA took from IKE_SA_INIT, sent or received, on.</param>
    /// <param name="now">The time.</param>
    public void IkeSaUp(bool weInitiated, bool perResource, TimeSpan setupTime, TimeSpan now)
    {
        _up = true;
        _weInitiated = weInitiated;
        _perResource = perResource;
        _lastActivity = now;
        _holdOff = GroupTimes.HoldOff(setupTime);
        _holdOff += Jitter(_holdOff / 2);
        _awaitsFirst = true;
        _fallbackNotBefore = now + GroupTimes.FirstFallback;
        Evaluate(now);
    }

    /// <summary>The IKE SA is gone, and all its Child SAs with it; no <see cref="ChildDown"/> is called for them.</summary>
    public void IkeSaDown(TimeSpan now)
    {
        _up = false;
        _children.Clear();
        _fallbacks.Clear();
        _reservations.Clear();
        _actions.Clear();
        foreach (CpuState cpu in _cpus)
            cpu.Reset();
        _fallbackPendingSince = null;
        _fallbackFailures = 0;
        _fallbackLosses = 0;
        _refusedUntil = default;
        _refusals = 0;
        _probing = false;
        _longestExchange = default;
        _usageAsked = false;
        _nextUsage = default;
        _returning = 1;
        _strays = 0;
        _strayUntil = default;
        Evaluate(now);
    }

    /// <summary>A Child SA is there: the fallback, the answer to <see cref="CreateForCpu"/>, or the peer's that <see cref="Place"/> placed.</summary>
    public void ChildUp(ChildSaInfo child, TimeSpan now)
    {
        _lastActivity = now;
        if (_children.Remove(child.Number, out GroupChild? earlier))
            Detach(earlier);
        if (child.IsFallback)
            AddFallback(child, now);
        else
            AddPerCpu(child, now);
        Evaluate(now);
    }

    /// <summary>A Child SA has new keys; its CPU may be another one.</summary>
    public void ChildRekeyed(ChildSaInfo child, TimeSpan now)
    {
        if (_children.TryGetValue(child.Number, out GroupChild? known) && known.IsFallback)
        {
            known.CountAnew();
        }
        else if (known is not null)
        {
            if (known.MovingTo is { } target)
                target.Failures = 0;
            Detach(known);
            known.OutboundUsed = false;
            known.CountAnew();
            if (!known.Leaving)
                Attach(known, child.Cpu);
        }

        Evaluate(now);
    }

    /// <summary>A Child SA is gone: deleted by either end, expired or failed.</summary>
    public void ChildDown(int number, bool deletedByPeer, TimeSpan now)
    {
        if (_children.Remove(number, out GroupChild? child))
        {
            _lastActivity = now;
            if (child.IsFallback)
                FallbackGone(child, now);
            else
                PerCpuGone(child, deletedByPeer, now);
        }

        Evaluate(now);
    }

    /// <summary>
    /// The answer to <see cref="CreateForCpu"/> or <see cref="MoveChild"/>, or with null to <see cref="CreateFallback"/>, is a refusal.
    /// Not called for a <see cref="MoveChild"/> whose Child SA went away: <see cref="ChildDown"/> says so.
    /// </summary>
    public void CreateFailed(int? cpu, CreateFailure reason, TimeSpan now)
    {
        if (cpu is null)
            FallbackFailed(now);
        else if (Find(cpu.Value) is { } state)
            PerCpuFailed(state, reason, now);
        Evaluate(now);
    }

    /// <summary>
    /// A CPU without an outbound SA of its own sends; the selectors are those of its packet (RFC 7296 §2.9). Without a CPU
    /// there was no SA for the packet at all.
    /// </summary>
    public void Acquire(int? cpu, TrafficSelector? local, TrafficSelector? remote, TimeSpan now)
    {
        CpuState? state = cpu is { } number ? Find(number) : null;
        if (_up && state is { IsMissing: true })
            state.Want(local, remote);
        else if (cpu is not null && state is not { Online: true })
            _strayUntil = now + Backoff(GroupTimes.StrayBase, GroupTimes.StrayCap, ++_strays);
        else if (cpu is null && !_awaitsFirst && _fallbackLosses <= 1 && _fallbackFailures == 0)
            _fallbackNotBefore = now;
        Evaluate(now);
    }

    /// <summary>A CPU went offline or came online. All are online at first.</summary>
    public void CpuChanged(int cpu, bool online, TimeSpan now)
    {
        if (Find(cpu) is { } state && state.Online != online)
        {
            state.Online = online;
            if (!online)
                WentOffline(state, now);
        }

        Evaluate(now);
    }

    /// <summary>Time has passed.</summary>
    public void Tick(TimeSpan now) => Evaluate(now);

    /// <summary>
    /// The content of SA_RESOURCE_INFO for a Child SA: random, the same for a CPU as long as the group lives, and empty for
    /// the fallback and for a surplus Child SA.
    /// </summary>
    public byte[] ResourceIdentifier(int? cpu) => cpu is null ? [] : _identifiers.For(cpu.Value);

    private CpuState? Find(int number)
    {
        int index = Array.BinarySearch(_numbers, number);
        return index < 0 ? null : _cpus[index];
    }

    /// <summary>By chance, from zero to the most.</summary>
    private TimeSpan Jitter(TimeSpan most)
    {
        Span<byte> bytes = stackalloc byte[4];
        _random.Fill(bytes);
        return most * (BinaryPrimitives.ReadUInt32BigEndian(bytes) / (double)uint.MaxValue);
    }

    /// <summary>The back-off, and up to half of it more by chance, so that two ends do not stay in step.</summary>
    private TimeSpan Backoff(TimeSpan start, TimeSpan cap, int count)
    {
        TimeSpan backoff = GroupTimes.Backoff(start, cap, count);
        return backoff + Jitter(backoff / 2);
    }
}
