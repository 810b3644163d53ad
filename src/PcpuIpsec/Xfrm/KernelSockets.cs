using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Esp;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Xfrm;

/// <summary>The UDP sockets of IKE, exempt from all policies. Run in the plane's namespace.</summary>
internal static unsafe class KernelSockets
{
    /// <summary>A bound socket; with <paramref name="takesEsp"/> the kernel takes ESP in UDP from it (RFC 3948) and leaves IKE.</summary>
    public static Socket Open(IPEndPoint local, bool takesEsp)
    {
        bool isIPv6 = local.AddressFamily == AddressFamily.InterNetworkV6;
        int fd = Libc.Check(Libc.Socket(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0), "Cannot open a UDP socket");
        try
        {
            if (isIPv6)
                Libc.Check(Libc.SetSockOpt(fd, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, 1), "IPV6_V6ONLY");
            uint mark = KernelIds.Mark;
            Libc.Check(Libc.SetSockOpt(fd, Libc.SOL_SOCKET, Libc.SO_MARK, &mark, sizeof(uint)), "SO_MARK");
            // Before it is bound: not one datagram may be judged by the host's policies.
            Bypass(fd, isIPv6, XfrmPolicyDirection.Out);
            Bypass(fd, isIPv6, XfrmPolicyDirection.In);
            if (takesEsp)
                Libc.Check(Libc.SetSockOpt(fd, Libc.IPPROTO_UDP, Libc.UDP_ENCAP, Libc.UDP_ENCAP_ESPINUDP), $"UDP_ENCAP on {local}{(isIPv6 ? " (over IPv6 it takes kernel 5.8)" : "")}");
            PlaneSockets.Bind(fd, local);
            return new Socket(new SafeSocketHandle(fd, ownsHandle: true));
        }
        catch
        {
            Libc.Close(fd);
            throw;
        }
    }

    /// <summary>A policy of the socket's own: what it sends and receives passes in clear, whatever the host's policies say.</summary>
    private static void Bypass(int fd, bool isIPv6, XfrmPolicyDirection direction)
    {
        var policy = new XfrmUserPolicyInfo { Direction = (byte)direction, Action = (byte)XfrmPolicyAction.Allow };
        policy.Selector.Family = (ushort)(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET);
        XfrmLimits.None.Write(ref policy.Limits);
        (int level, int option) = isIPv6 ? (Libc.IPPROTO_IPV6, Libc.IPV6_XFRM_POLICY) : (Libc.IPPROTO_IP, Libc.IP_XFRM_POLICY);
        Libc.Check(Libc.SetSockOpt(fd, level, option, &policy, (uint)sizeof(XfrmUserPolicyInfo)), $"A bypass policy for IKE's socket ({XfrmPolicy.Text(direction)})");
    }
}
