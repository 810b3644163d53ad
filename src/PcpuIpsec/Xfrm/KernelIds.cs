using PcpuIpsec.DataPlane;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// What tells our policies and states from those of other daemons, also once the process that made them is gone: a request
/// id that follows from the connection's name. strongSwan counts its own from 1, libreswan from 16384 to 65535.
/// </summary>
internal static class KernelIds
{
    /// <summary>Request ids from here on, by 28 bits of a hash.</summary>
    public const uint FirstRequestId = 0x9000_0000;

    /// <summary>
    /// Policies without a template have no request id; the number by which the kernel knows a policy can be chosen, and has
    /// the direction in its lowest three bits.
    /// </summary>
    public const uint FirstNeighborIndex = 0x5611_0000;

    /// <summary>The mark of what IKE and the SAs of an interface send themselves, as the embedded plane's.</summary>
    public const uint Mark = 0x9611;

    /// <summary>An SPI that no peer chooses (RFC 4303 §2.1 reserves 1 to 255).</summary>
    public const uint StandInSpi = 255;

    /// <summary>The number of an XFRM interface that nobody has: a state that is moved there is found by no packet.</summary>
    public const uint RetiredInterfaceId = 0x9611_dead;

    private const uint HashMask = 0x0fff_ffff;

    public static uint RequestIdOf(string connection) => FirstRequestId | ConnectionHash.Of(connection);

    public static bool IsOurs(uint requestId) => (requestId & ~HashMask) == FirstRequestId;

    /// <summary>
    /// Whose policy it is; null where it is none of ours. Without a template the request id is in the selector's user, which the
    /// kernel keeps, compares when it looks for a policy to replace or delete, and does not look at for packets.
    /// </summary>
    public static uint? RequestIdOf(XfrmPolicy policy)
        => policy.Templates.Count > 0 && IsOurs(policy.Templates[0].RequestId) ? policy.Templates[0].RequestId
            : policy.Templates.Count == 0 && IsOurs(policy.Selector.User) ? policy.Selector.User
            : null;
}
