using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Host;
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
            UdpBinding.Bind(fd, local);
            return new Socket(new SafeSocketHandle(fd, ownsHandle: true));
        }
        catch
        {
            Libc.Close(fd);
            throw;
        }
    }

    /// <summary>
    /// A socket that sends nothing and whose own policy asks for exactly this state. The kernel remembers a state with the first
    /// policy that finds it and with no other (struct xfrm_state's state_cache), and a CPU finds what its packet's policy
    /// remembers before it looks for a state of its own. So a fallback that is remembered here is never remembered with the
    /// policies of the traffic, where it would serve CPUs that have SAs of their own. To look for it takes no packet: that a
    /// route to the peer is asked for is enough.
    /// </summary>
    /// <exception cref="SocketException">There is no route to the peer, or the state has gone.</exception>
    public static IDisposable Remember(XfrmState fallback)
    {
        bool isIPv6 = fallback.Destination.AddressFamily == AddressFamily.InterNetworkV6;
        // UDP takes no further capability; from port 0, to which it is connected, nothing comes.
        int fd = Libc.Check(Libc.Socket(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0), "Cannot open a UDP socket");
        var socket = new Socket(new SafeSocketHandle(fd, ownsHandle: true));
        try
        {
            var policy = new SocketPolicy { Info = Own(isIPv6, XfrmPolicyDirection.Out) };
            new XfrmTemplate { Source = fallback.Source, Destination = fallback.Destination, Mode = fallback.Mode, RequestId = fallback.RequestId, Spi = fallback.Spi }.Write(ref policy.Template);
            Set(fd, isIPv6, &policy, sizeof(SocketPolicy), "A policy for the fallback alone");
            socket.Bind(new IPEndPoint(fallback.Source, 0));
            socket.Connect(new IPEndPoint(fallback.Destination, 0));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A policy of the socket's own: what it sends and receives passes in clear, whatever the host's policies say.</summary>
    private static void Bypass(int fd, bool isIPv6, XfrmPolicyDirection direction)
    {
        XfrmUserPolicyInfo policy = Own(isIPv6, direction);
        Set(fd, isIPv6, &policy, sizeof(XfrmUserPolicyInfo), $"A bypass policy for IKE's socket ({XfrmPolicy.Text(direction)})");
    }

    /// <summary>For all that the socket sends or receives.</summary>
    private static XfrmUserPolicyInfo Own(bool isIPv6, XfrmPolicyDirection direction)
    {
        var policy = new XfrmUserPolicyInfo { Direction = (byte)direction, Action = (byte)XfrmPolicyAction.Allow };
        policy.Selector.Family = (ushort)(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET);
        XfrmLimits.None.Write(ref policy.Limits);
        return policy;
    }

    private static void Set(int fd, bool isIPv6, void* policy, int length, string what)
    {
        (int level, int option) = isIPv6 ? (Libc.IPPROTO_IPV6, Libc.IPV6_XFRM_POLICY) : (Libc.IPPROTO_IP, Libc.IP_XFRM_POLICY);
        Libc.Check(Libc.SetSockOpt(fd, level, option, policy, (uint)length), what);
    }

    /// <summary>As the socket option takes it: the policy, and its templates after it.</summary>
    private struct SocketPolicy
    {
        public XfrmUserPolicyInfo Info;
        public XfrmUserTemplate Template;
    }
}
