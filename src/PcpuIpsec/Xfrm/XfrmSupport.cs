using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>What a refused state says about the kernel, in words that tell what to do.</summary>
internal static class XfrmSupport
{
    /// <summary>The kernel has XFRM but no module for the state's protocol, mode or cipher.</summary>
    /// <param name="refusal">EPROTONOSUPPORT (type or mode) or ENOSYS (algorithm).</param>
    /// <param name="state">What was to be installed.</param>
    /// <param name="suite">Its suite.</param>
    public static PcpuIpsecException Explain(NetlinkException refusal, XfrmState state, ChosenSuite suite)
    {
        string family = XfrmAddress.FamilyOf(state.Destination) == XfrmAddress.IPv6 ? "6" : "4";
        string text = refusal switch
        {
            { Errno: Libc.ENOSYS } => $"The kernel has no {suite} for ESP, or no ESP at all",
            { KernelText: "Requested mode not found" } => $"The kernel has no {state.Mode.ToString().ToLowerInvariant()} mode for IPv{family} (CONFIG_INET{(family == "6" ? "6" : "")}_XFRM_MODE)",
            _ => $"The kernel has no ESP for IPv{family}: it was built without CONFIG_INET{(family == "6" ? "6" : "")}_ESP, or its module esp{family} cannot be loaded",
        };
        return new XfrmUnsupportedException($"{text}. {refusal.Message}", refusal);
    }
}

/// <summary>The kernel lacks ESP, a mode or a cipher.</summary>
internal sealed class XfrmUnsupportedException(string message, NetlinkException refusal)
    : PcpuIpsecException(PcpuIpsecError.HostUnable, message, refusal)
{
    public NetlinkException Refusal { get; } = refusal;
}
