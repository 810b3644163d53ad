using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Xfrm;

/// <summary>An SA as the kernel takes it. Pure.</summary>
internal static class KernelStates
{
    /// <summary>A peer whose NAT moves it is told of at most this often for each SA.</summary>
    private const uint MappingSeconds = 5;

    /// <summary>Kernels without directions want a window of an outbound state with extended sequence numbers too.</summary>
    private const int WindowWithoutDirection = 64;

    /// <param name="sa">The SA.</param>
    /// <param name="policy">The connection's policy.</param>
    /// <param name="support">What the kernel can.</param>
    /// <param name="addedAt">See <see cref="XfrmState.AddedAt"/>.</param>
    /// <param name="now">The time, in which the limits count on from <paramref name="addedAt"/>.</param>
    public static XfrmState Of(SaInstallation sa, TrafficPolicy policy, KernelSupport support, DateTimeOffset? addedAt, DateTimeOffset now)
    {
        bool inbound = sa.Direction == SaDirection.Inbound;
        XfrmSelector? selector = Narrowed(sa, policy);
        XfrmStateFlags flags = sa.Suite.Esn ? XfrmStateFlags.Esn : XfrmStateFlags.None;
        // Without a selector of its own a state would take packets of its outer family alone.
        if (selector is null && sa.Mode == IpsecMode.Tunnel)
            flags |= XfrmStateFlags.AfUnspec;
        return new XfrmState
        {
            Spi = sa.Spi,
            Source = sa.Source,
            Destination = sa.Destination,
            Direction = support.Direction ? (XfrmSaDirection)sa.Direction : null,
            Mode = KernelPolicies.ModeOf(sa.Mode),
            RequestId = KernelIds.RequestIdOf(sa.Connection),
            Selector = selector is null ? null : inbound ? KernelPolicies.Reverse(selector) : selector,
            Flags = flags,
            ReplayWindow = inbound ? sa.ReplayWindow : !support.Direction && sa.Suite.Esn ? WindowWithoutDirection : 0,
            Encapsulation = sa.Encapsulation is { } encapsulation ? new XfrmEncapsulation(encapsulation.SourcePort, encapsulation.DestinationPort) : null,
            MappingThreshold = MappingThreshold(sa),
            InterfaceId = policy.InterfaceId,
            // The rule that leads into the interface passes over what has it.
            OutputMark = policy.Interface is not null && !inbound ? new XfrmMark(KernelIds.Mark) : null,
            Cpu = sa.Cpu,
            Limits = Limits(sa.Lifetime, addedAt is { } added ? now - added : TimeSpan.Zero),
            AddedAt = addedAt,
        };
    }

    /// <summary>What an SPI is reserved with.</summary>
    public static XfrmState Larval(TrafficPolicy policy, IPAddress local, IPAddress remote, KernelSupport support) => new()
    {
        Spi = 0,
        Source = remote,
        Destination = local,
        Direction = support.Direction ? XfrmSaDirection.In : null,
        Mode = KernelPolicies.ModeOf(policy.Mode),
        RequestId = KernelIds.RequestIdOf(policy.Connection),
        InterfaceId = policy.InterfaceId,
    };

    /// <summary>Port 0: the peer sends from any, and none of them is a movement.</summary>
    private static uint? MappingThreshold(SaInstallation sa)
        => sa is not { Direction: SaDirection.Inbound, Encapsulation: { } encapsulation } ? null : encapsulation.SourcePort == 0 ? uint.MaxValue : MappingSeconds;

    private static XfrmLimits Limits(SaLifetime lifetime, TimeSpan age) => new()
    {
        SoftBytes = lifetime.SoftBytes,
        HardBytes = lifetime.HardBytes,
        SoftPackets = lifetime.SoftPackets,
        HardPackets = lifetime.HardPackets,
        SoftTime = lifetime.SoftTime + age,
        HardTime = lifetime.HardTime + age,
    };

    /// <summary>
    /// The one selector of an SA that was negotiated for less than the policy covers, from ours to the peer's: what it does not
    /// cover must not go through it (RFC 4301 §4.4.2). A state has room for one; where there are several the policies alone decide.
    /// </summary>
    private static XfrmSelector? Narrowed(SaInstallation sa, TrafficPolicy policy)
    {
        if (TrafficSelector.SameAs(sa.LocalSelectors, policy.LocalSelectors) && TrafficSelector.SameAs(sa.RemoteSelectors, policy.RemoteSelectors))
            return null;
        XfrmSelector[] selectors = [.. KernelPolicies.OutboundSelectors(sa.LocalSelectors, sa.RemoteSelectors).Take(2)];
        return selectors is [var only] ? only : null;
    }
}
