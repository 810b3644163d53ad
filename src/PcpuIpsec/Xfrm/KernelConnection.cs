using PcpuIpsec.DataPlane;

namespace PcpuIpsec.Xfrm;

/// <summary>One held connection as the kernel data plane knows it. Touched under the plane's lock alone.</summary>
internal sealed class KernelConnection(TrafficPolicy policy, IReadOnlyList<XfrmPolicy> policies)
{
    private static readonly TimeSpan _firstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _longestPause = TimeSpan.FromSeconds(64);

    /// <summary>In 2001, and no process installs as many.</summary>
    private long _fallbackTime = 1_000_000_000;

    public TrafficPolicy Policy { get; set; } = policy;

    /// <summary>Those that protect.</summary>
    public IReadOnlyList<XfrmPolicy> Policies { get; set; } = policies;

    /// <summary>What passes in clear or is dropped beside them.</summary>
    public IReadOnlyList<XfrmPolicy> Exceptions { get; set; } = [];

    /// <summary>What is dropped behind them; see <see cref="KernelBackstops"/>.</summary>
    public IReadOnlyList<XfrmPolicy> Backstops { get; set; } = [];

    /// <summary>All that the kernel is to have.</summary>
    public List<XfrmPolicy> Held => [.. KernelPolicies.CoverNeighborDiscovery(Policy) ? KernelPolicies.NeighborDiscovery() : [], .. Policies, .. Exceptions, .. Backstops];

    /// <summary>SAs of a process before this one, which was killed: they carry the traffic until it has an SA of this one.</summary>
    public List<XfrmState> Left { get; private set; } = [];

    /// <summary>Ends the wait for what the peer still sends by <see cref="Left"/>.</summary>
    public ITimer? LeftTimer { get; set; }

    /// <summary>When its fallback was last looked for in the kernel.</summary>
    public DateTimeOffset FallbackCheckedAt { get; set; }

    public uint RequestId { get; } = KernelIds.RequestIdOf(policy.Connection);

    /// <summary>The gateway wants acquires: one that is raised could be granted.</summary>
    public bool AcquiresAllowed { get; set; }

    /// <summary>XFRM_POLICY_CPU_ACQUIRE is on the outbound policies.</summary>
    public bool FlagIsSet { get; set; }

    /// <summary>The CPUs whose acquires are being answered; the flag is off meanwhile, so that they and all others send on.</summary>
    public HashSet<int> Acquiring { get; } = [];

    /// <summary>Ends the wait for what <see cref="Acquiring"/> waits for.</summary>
    public ITimer? Resume { get; set; }

    /// <summary>How long that wait is: twice as long each time that it was in vain.</summary>
    public TimeSpan Pause { get; private set; } = _firstPause;

    public void LengthenPause() => Pause = Pause * 2 < _longestPause ? Pause * 2 : _longestPause;

    public void ResetPause() => Pause = _firstPause;

    /// <summary>
    /// When the kernel is to think that the next fallback was added: long before any SA that is bound to a CPU. Of two states
    /// that would do the kernel takes the one added later, and it looks no further where the order of its hash chain, which
    /// turns round whenever the table grows, shows it the CPU's own one first. Also before the fallback that it replaces, which
    /// serves until it is deleted: until it is remembered (<see cref="KernelHost.Remember"/>) no packet must find the new one.
    /// </summary>
    public DateTimeOffset NextFallbackTime() => DateTimeOffset.FromUnixTimeSeconds(--_fallbackTime);

    /// <summary>Takes over what is there; the next fallback stands behind those that are among it too.</summary>
    public void TakeOver(IReadOnlyList<XfrmInstalledState> left)
    {
        Left = [.. left.Select(l => l.State)];
        foreach (XfrmInstalledState fallback in left.Where(l => l.State.Cpu is null && IsOutbound(l.State)))
            _fallbackTime = Math.Min(_fallbackTime, fallback.Counters.Added?.ToUnixTimeSeconds() ?? _fallbackTime);
    }

    /// <summary>Kernels before 6.10 do not say.</summary>
    public bool IsOutbound(XfrmState state) => state.Direction is { } direction ? direction == XfrmSaDirection.Out : !state.Destination.Equals(Policy.LocalAddress);
}
