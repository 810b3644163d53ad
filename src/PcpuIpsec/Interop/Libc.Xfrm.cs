namespace PcpuIpsec.Interop;

internal static unsafe partial class Libc
{
    public const int IPPROTO_UDP = 17;

    // linux/in.h and linux/in6.h: a policy of one socket alone.
    public const int IP_XFRM_POLICY = 17;
    public const int IPV6_XFRM_POLICY = 35;

    // linux/udp.h
    public const int UDP_ENCAP = 100;
    public const int UDP_ENCAP_ESPINUDP = 2;
}
