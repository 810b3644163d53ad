using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Esp;

/// <summary>A policy as the workers look at it.</summary>
internal sealed class PolicyEntry(TrafficPolicy policy, int workers, UInt128? icmpSourceIPv4, UInt128? icmpSourceIPv6)
{
    private readonly long[] _nextAcquire = new long[workers];
    private volatile bool _acquiresPerCpu;

    public TrafficPolicy Policy { get; } = policy;

    /// <summary>A CPU without an SA of its own raises an acquire; without, only one that has no SA at all.</summary>
    public bool AcquiresPerCpu
    {
        get => _acquiresPerCpu;
        set => _acquiresPerCpu = value && Policy.AcquirePerCpu;
    }

    public SelectorSet Selectors { get; } = new(policy.LocalSelectors, policy.RemoteSelectors);

    /// <summary>Narrow policies are looked at before wide ones: by the peer's addresses, then ours, then ports.</summary>
    public (UInt128 Remote, UInt128 Local, bool AnyPort) Width { get; } =
        (Widest(policy.RemoteSelectors), Widest(policy.LocalSelectors), policy.LocalSelectors.Concat(policy.RemoteSelectors).All(s => s is { Protocol: 0, AnyPort: true }));

    /// <summary>Where its SAs take whole datagrams alone, what covers their fragments: the selectors without the ports. Else null.</summary>
    public SelectorSet? WholeDatagrams { get; } = policy.Mode == IpsecMode.Transport || !policy.LocalSelectors.Concat(policy.RemoteSelectors).All(s => s.AnyPort)
        ? new SelectorSet([.. policy.LocalSelectors.Select(WithoutPorts)], [.. policy.RemoteSelectors.Select(WithoutPorts)])
        : null;

    /// <summary>Our address that ICMP messages to a packet's sender come from, where we have one of its family.</summary>
    public UInt128? IcmpSource(bool isIPv6) => isIPv6 ? icmpSourceIPv6 : icmpSourceIPv4;

    private static UInt128 Widest(IReadOnlyList<TrafficSelector> selectors) => selectors.Aggregate(UInt128.Zero, static (widest, s) => UInt128.Max(widest, s.End - s.Start));

    private static TrafficSelector WithoutPorts(TrafficSelector selector) => selector with { StartPort = 0, EndPort = ushort.MaxValue };

    /// <summary>At most one acquire a second for each worker.</summary>
    public bool MayAcquire(int worker, long now)
    {
        if (now < _nextAcquire[worker])
            return false;
        _nextAcquire[worker] = now + 1000;
        return true;
    }
}

/// <summary>One policy and the SAs that one worker uses for it.</summary>
internal readonly record struct OutboundRoute(PolicyEntry Policy, OutboundEntry? Own, OutboundEntry? Fallback);

/// <summary>A socket that brings ESP packets.</summary>
/// <param name="Fd">Its descriptor.</param>
/// <param name="HasIPv4Header">True for raw IPv4 sockets, whose packets begin with it.</param>
internal readonly record struct EspSocket(int Fd, bool HasIPv4Header);

/// <summary>What one worker works by. Never changed once published: a change makes a new one.</summary>
internal sealed record WorkerView(long Version, OutboundRoute[] Routes, Dictionary<uint, InboundEntry> Inbound, EspSocket[] Sockets)
{
    /// <summary>The first policy that covers a packet; its index, or -1.</summary>
    public int Find(in FlowKey key)
    {
        OutboundRoute[] routes = Routes;
        for (int i = 0; i < routes.Length; i++)
        {
            if (routes[i].Policy.Selectors.MatchesOutbound(key))
                return i;
        }
        return -1;
    }

    /// <summary>True for fragments that have to be put together before an SA takes them.</summary>
    public bool TakesWhole(in FlowKey fragment)
    {
        foreach (ref readonly OutboundRoute route in Routes.AsSpan())
        {
            if (route.Policy.WholeDatagrams is { } selectors && selectors.MatchesOutbound(fragment))
                return true;
        }
        return false;
    }
}
