using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Xfrm.KernelPlaneBench;

namespace PcpuIpsec.Tests.Xfrm;

public class TunnelMtuTests
{
    // By hand from RFC 4303 §2: outer header, UDP, 8 of SPI and sequence number, IV, text to a multiple of 4 or 16 with 2 of
    // trailer, ICV.
    [Theory]
    [InlineData("gcm", IpsecMode.Tunnel, false, false, 1446)]
    [InlineData("gcm", IpsecMode.Tunnel, true, false, 1438)]
    [InlineData("gcm", IpsecMode.Tunnel, false, true, 1426)]
    [InlineData("gcm", IpsecMode.Transport, false, false, 1466)]
    [InlineData("cbc", IpsecMode.Tunnel, false, false, 1438)]
    [InlineData("cbc", IpsecMode.Tunnel, true, false, 1422)]
    [InlineData("null", IpsecMode.Tunnel, false, false, 1454)]
    public void The_longest_inner_packet_is_what_ESP_leaves_of_1500_bytes(string suite, IpsecMode mode, bool inUdp, bool isIPv6, int expected)
    {
        SaInstallation sa = Outbound(1) with
        {
            Mode = mode,
            Encapsulation = inUdp ? new UdpEncapsulation(4500, 4500) : null,
            Source = isIPv6 ? IPAddress.Parse("2001:db8::1") : West,
            Destination = isIPv6 ? IPAddress.Parse("2001:db8::2") : East,
            Suite = suite switch
            {
                "gcm" => XfrmRequestTests.Gcm,
                "cbc" => new ChosenSuite(EncryptionAlgorithm.ENCR_AES_CBC, 256, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, null, KeyExchangeMethod.NONE, false),
                _ => new ChosenSuite(EncryptionAlgorithm.ENCR_NULL, 0, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, null, KeyExchangeMethod.NONE, false),
            },
        };
        Assert.Equal(expected, TunnelMtu.Inner(1500, sa));
    }

    [Fact]
    public void A_segment_is_a_packet_without_the_shortest_headers()
        => Assert.Equal((1406, 1386), (TunnelMtu.SegmentSize(1446, AddressFamily.InterNetwork), TunnelMtu.SegmentSize(1446, AddressFamily.InterNetworkV6)));
}
