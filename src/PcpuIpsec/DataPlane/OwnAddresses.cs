using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.DataPlane;

/// <summary>Which of the host's addresses its own packets get that a policy covers.</summary>
internal static class OwnAddresses
{
    /// <summary>An address of this host that the policy's local selectors cover; the outer one where it is among them.</summary>
    public static IPAddress? Covered(TrafficPolicy policy, List<LinkAddressEntry> own, AddressFamily family)
    {
        bool IsCovered(IPAddress address)
        {
            UInt128 number = TrafficSelector.ToNumber(address);
            bool isIPv6 = family == AddressFamily.InterNetworkV6;
            return policy.LocalSelectors.Any(s => s.IsIPv6 == isIPv6 && number >= s.Start && number <= s.End);
        }
        if (policy.LocalAddress.AddressFamily == family && IsCovered(policy.LocalAddress))
            return policy.LocalAddress;
        return own.Find(a => IsUsable(a.Address, family) && IsCovered(a.Address))?.Address;
    }

    public static bool IsUsable(IPAddress address, AddressFamily family)
        => address.AddressFamily == family && !IPAddress.IsLoopback(address) && !address.IsIPv6LinkLocal;
}
