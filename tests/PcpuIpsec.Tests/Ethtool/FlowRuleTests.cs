using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Tests.Netlink;

namespace PcpuIpsec.Tests.Ethtool;

/// <summary>struct ethtool_rx_flow_spec, byte for byte.</summary>
public class FlowRuleTests
{
    private static readonly IPAddress _source = IPAddress.Parse("192.0.2.1"), _destination = IPAddress.Parse("192.0.2.2"),
        _source6 = IPAddress.Parse("2001:db8::1"), _destination6 = IPAddress.Parse("2001:db8::2");

    [Fact]
    public void Esp_over_IPv4_is_matched_by_spi_and_addresses()
    {
        FlowRule rule = FlowRule.Esp(AddressFamily.InterNetwork, 0x01020304, queue: 3, _source, _destination);

        Assert.Equal(Spec("0a000000", "c0000201 c0000202 01020304", "ffffffff ffffffff ffffffff", queue: 3), rule.Spec);
        Assert.Equal("Esp4 spi 0x01020304 from 192.0.2.1 for 192.0.2.2 to queue 3", rule.Describe());
        Assert.Equal((FlowType.Esp4, 3, FlowRule.AnyLocation, 0u), (rule.Type, rule.Queue, rule.Location, rule.RssContext));
    }

    [Fact]
    public void Esp_over_IPv6_is_matched_by_spi_alone_where_no_address_is_given()
    {
        FlowRule rule = FlowRule.Esp(AddressFamily.InterNetworkV6, 0x01020304, queue: 1);

        Assert.Equal(Spec("0c000000", $"{Zeros(32)} 01020304", $"{Zeros(32)} ffffffff", queue: 1), rule.Spec);
        Assert.Equal("Esp6 spi 0x01020304 to queue 1", rule.Describe());
    }

    [Fact]
    public void Udp_and_tcp_are_matched_by_ports_and_addresses()
    {
        FlowRule udp = FlowRule.Udp(AddressFamily.InterNetwork, 49152, 4500, queue: 2, destination: _destination);
        FlowRule tcp = FlowRule.Tcp(AddressFamily.InterNetworkV6, null, 5201, queue: 0, _source6, _destination6);

        Assert.Equal(Spec("02000000", "00000000 c0000202 c000 1194", "00000000 ffffffff ffff ffff", queue: 2), udp.Spec);
        Assert.Equal("Udp4 port 49152 for 192.0.2.2 port 4500 to queue 2", udp.Describe());
        Assert.Equal(
            Spec("05000000", "20010db8000000000000000000000001 20010db8000000000000000000000002 0000 1451", $"{string.Concat(Enumerable.Repeat("ff", 32))} 0000 ffff", queue: 0),
            tcp.Spec);
        Assert.Equal("Tcp6 from 2001:db8::1 for 2001:db8::2 port 5201 to queue 0", tcp.Describe());
    }

    [Fact]
    public void A_rule_may_lead_to_a_context()
    {
        FlowRule rule = FlowRule.Esp(AddressFamily.InterNetwork, 1, queue: 3).ToContext(7);

        Assert.Equal(Spec("0a000020", "00000000 00000000 00000001", "00000000 00000000 ffffffff", queue: 0), rule.Spec);
        Assert.Equal((FlowType.Esp4, 7u, (int?)null), (rule.Type, rule.RssContext, rule.Queue));
        Assert.Equal("Esp4 spi 0x00000001 to RSS context 7", rule.Describe());
    }

    [Fact]
    public void Any_bytes_go_through_a_line_of_text_and_back()
    {
        byte[] spec = new byte[FlowRule.Size];
        new Random(1).NextBytes(spec);
        for (int withContext = 0; withContext < 2; withContext++)
        {
            spec[3] = withContext == 1 ? (byte)0x60 : (byte)0xc0;
            FlowRule rule = FlowRule.Read(spec, rssContext: 9);
            string text = rule.ToString();

            Assert.Equal(rule, FlowRule.Parse(text));
            Assert.Equal(spec, FlowRule.Parse(text).Spec);
            Assert.Equal(withContext == 1 ? 9u : 0u, FlowRule.Parse(text).RssContext);
            Assert.DoesNotContain('\n', text);
            Assert.NotEmpty(rule.Describe());
        }
    }

    [Fact]
    public void Rules_are_equal_where_all_their_bytes_are()
    {
        FlowRule rule = FlowRule.Esp(AddressFamily.InterNetwork, 1, queue: 3);

        Assert.Equal(rule, FlowRule.Read(rule.Spec.AsSpan(), 5));
        Assert.Equal(rule.GetHashCode(), FlowRule.Read(rule.Spec.AsSpan(), 5).GetHashCode());
        Assert.NotEqual(rule, rule.At(4));
        Assert.Equal(4u, rule.At(4).Location);
        Assert.Equal(rule, rule.At(4).At(FlowRule.AnyLocation));
        Assert.NotEqual(rule.ToContext(1), rule.ToContext(2));
    }

    [Theory]
    [InlineData("ffffffffffffffff", "to nowhere")]
    [InlineData("feffffffffffffff", "to wake the host")]
    [InlineData("0500000002000000", "to queue 5 of virtual function 2")]
    public void Where_a_rule_leads_that_somebody_else_made_is_told(string cookie, string words)
    {
        byte[] spec = [.. FlowRule.Udp(AddressFamily.InterNetwork, null, 4500, 0).Spec];
        FakeKernel.Hex(cookie).CopyTo(spec, FlowRule.QueueAt);

        FlowRule rule = FlowRule.Read(spec, 0);

        Assert.EndsWith(words, rule.Describe(), StringComparison.Ordinal);
        Assert.Null(rule.Queue);
    }

    [Fact]
    public void Masks_are_told_and_so_is_that_there_is_more()
    {
        byte[] spec = [.. FlowRule.Udp(AddressFamily.InterNetwork, null, 4500, 0, _source).Spec];
        spec[FlowRule.MasksAt + 3] = 0;
        spec[FlowRule.MasksAt + 12] = 0xff;

        Assert.Equal("Udp4 from 192.0.2.1/0xffffff00 for port 4500 … to queue 0".Replace(" for port", " port"), FlowRule.Read(spec, 0).Describe());
        spec[0] = 0x12;
        Assert.Equal("Ethernet … to queue 0", FlowRule.Read(spec, 0).Describe());
    }

    [Theory]
    [InlineData("")]
    [InlineData("0a")]
    [InlineData("zz/1")]
    public void Other_text_is_no_rule(string text)
        => Assert.Equal(PcpuIpsecError.InvalidOption, Assert.Throws<PcpuIpsecException>(() => FlowRule.Parse(text)).Error);

    [Fact]
    public void A_context_that_the_rule_does_not_lead_to_is_no_rule()
    {
        FlowRule rule = FlowRule.Esp(AddressFamily.InterNetwork, 1, 0);

        Assert.Throws<PcpuIpsecException>(() => FlowRule.Parse(rule + "/1"));
        Assert.Throws<PcpuIpsecException>(() => FlowRule.Parse(rule.ToContext(1).ToString().Split('/')[0]));
        Assert.Throws<PcpuIpsecException>(() => FlowRule.Parse(rule.ToContext(1) + "/1"));
        Assert.Throws<PcpuIpsecException>(() => FlowRule.Parse(rule.ToContext(1).ToString().Replace("/1", "/-1")));
    }

    [Fact]
    public void A_queue_or_an_address_that_does_not_fit_is_an_error()
    {
        Assert.Equal("queue = -1: allowed are numbers from 0 up.", Assert.Throws<PcpuIpsecException>(() => FlowRule.Esp(AddressFamily.InterNetwork, 1, -1)).Message);
        Assert.Equal("address = 2001:db8::1: the rule is for IPv4.", Assert.Throws<PcpuIpsecException>(() => FlowRule.Esp(AddressFamily.InterNetwork, 1, 0, _source6)).Message);
    }

    private static string Zeros(int bytes) => new('0', 2 * bytes);

    /// <summary>The struct from its parts; any location.</summary>
    private static byte[] Spec(string type, string fields, string masks, byte queue)
        => FakeKernel.Hex($"{type} {Padded(fields)} {Padded(masks)} {Zeros(4)} {queue:x2}{Zeros(7)} ffffffff {Zeros(4)}");

    /// <summary>union ethtool_flow_union (52 bytes) and struct ethtool_flow_ext (20).</summary>
    private static string Padded(string hex) => hex.Replace(" ", "").PadRight(2 * 72, '0');
}
