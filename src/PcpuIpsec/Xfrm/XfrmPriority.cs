using System.Numerics;

namespace PcpuIpsec.Xfrm;

/// <summary>What a policy is for, from the strongest to the weakest.</summary>
internal enum XfrmPolicyClass
{
    /// <summary>Passes or drops before any tunnel is asked (bypass, discard).</summary>
    Pass,

    /// <summary>A tunnel's, with its SAs.</summary>
    Default,

    /// <summary>A tunnel's that waits for traffic: by one behind <see cref="Default"/>.</summary>
    Routed,

    /// <summary>A drop behind all others.</summary>
    Fallback,
}

/// <summary>
/// The priority of a policy as strongSwan's kernel-netlink computes it, so that on a host with both daemons the narrower
/// selector wins whoever made it: 200,000 a class; below it 9 bits of prefix lengths, one of the protocol, 6 of port mask
/// bits, one of the interface and one that tells waiting policies from those with SAs.
/// </summary>
internal static class XfrmPriority
{
    private const uint ClassSize = 200_000;

    /// <param name="selector">The policy's selector.</param>
    /// <param name="policyClass">What it is for.</param>
    /// <param name="boundToInterface">It counts for one interface only.</param>
    public static uint Of(XfrmSelector selector, XfrmPolicyClass policyClass, bool boundToInterface = false)
    {
        uint priority = policyClass switch
        {
            XfrmPolicyClass.Pass => ClassSize,
            XfrmPolicyClass.Default or XfrmPolicyClass.Routed => 2 * ClassSize,
            _ => 3 * ClassSize,
        };
        priority -= (uint)(selector.Source.Length + selector.Destination.Length) << 9;
        priority -= selector.Protocol != 0 ? 1u << 8 : 0;
        priority -= (uint)(LeadingOnes(selector.SourcePort.Mask) + LeadingOnes(selector.DestinationPort.Mask)) << 2;
        priority -= boundToInterface ? 1u << 1 : 0;
        priority -= policyClass != XfrmPolicyClass.Routed ? 1u : 0;
        return priority;
    }

    private static int LeadingOnes(ushort mask) => BitOperations.LeadingZeroCount((uint)(ushort)~mask) - 16;
}
