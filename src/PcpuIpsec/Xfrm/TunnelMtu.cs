using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Xfrm;

/// <summary>What of the outer path's MTU is left for what goes through an SA. Pure.</summary>
internal static class TunnelMtu
{
    /// <summary>The least that a link may have for IPv6 (RFC 8200 §5); with less the kernel takes IPv6 off an interface.</summary>
    public const int Least = 1280;

    private const int IPv4Header = 20, IPv6Header = 40, UdpHeader = 8, TcpHeader = 20;

    /// <summary>The longest inner packet whose ESP packet fits; in transport mode the inner packet is the outer one without ESP.</summary>
    public static int Inner(int outerMtu, SaInstallation sa)
    {
        int header = sa.Destination.AddressFamily == AddressFamily.InterNetworkV6 ? IPv6Header : IPv4Header;
        int payload = new EspGeometry(sa.Suite).MaximumPayload(outerMtu - header - (sa.Encapsulation is null ? 0 : UdpHeader));
        return sa.Mode == IpsecMode.Transport ? payload + header : payload;
    }

    /// <summary>The segment size (RFC 9293 §3.7.1: without options) of packets of a length.</summary>
    public static int SegmentSize(int mtu, AddressFamily family) => mtu - TcpHeader - (family == AddressFamily.InterNetworkV6 ? IPv6Header : IPv4Header);
}
