using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Tests.Ike.Messages;

namespace PcpuIpsec.Tests.Ike;

public class TrafficSelectorTests
{
    private static TrafficSelector Ts(string text) => TrafficSelector.Parse(text);

    [Theory]
    [InlineData("10.1.0.0/24", "10.1.0.0", "10.1.0.255", 0, 0, 65535)]
    [InlineData("10.1.0.5", "10.1.0.5", "10.1.0.5", 0, 0, 65535)]
    [InlineData("10.1.0.1-10.1.0.9", "10.1.0.1", "10.1.0.9", 0, 0, 65535)]
    [InlineData("0.0.0.0/0", "0.0.0.0", "255.255.255.255", 0, 0, 65535)]
    [InlineData("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 0, 0, 65535)]
    [InlineData("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, 0, 65535)]
    [InlineData("::1-::5", "::1", "::5", 0, 0, 65535)]
    [InlineData("10.1.0.0/24[tcp]", "10.1.0.0", "10.1.0.255", 6, 0, 65535)]
    [InlineData("10.1.0.0/24[tcp/80]", "10.1.0.0", "10.1.0.255", 6, 80, 80)]
    [InlineData("10.1.0.5[udp/1000-2000]", "10.1.0.5", "10.1.0.5", 17, 1000, 2000)]
    [InlineData("10.1.0.5[tcp/opaque]", "10.1.0.5", "10.1.0.5", 6, 65535, 0)]
    [InlineData("10.1.0.5[icmp/8]", "10.1.0.5", "10.1.0.5", 1, 0x0800, 0x08ff)]
    [InlineData("10.1.0.5[icmp/8:0]", "10.1.0.5", "10.1.0.5", 1, 0x0800, 0x0800)]
    [InlineData("10.1.0.5[icmp/3-5]", "10.1.0.5", "10.1.0.5", 1, 0x0300, 0x05ff)]
    [InlineData("10.1.0.5[icmp/3:1-3:4]", "10.1.0.5", "10.1.0.5", 1, 0x0301, 0x0304)]
    [InlineData("2001:db8::1[icmpv6/128]", "2001:db8::1", "2001:db8::1", 58, 0x8000, 0x80ff)]
    [InlineData("10.1.0.5[200]", "10.1.0.5", "10.1.0.5", 200, 0, 65535)]
    [InlineData("10.1.0.5[any/53]", "10.1.0.5", "10.1.0.5", 0, 53, 53)]
    public void Text_is_read_and_written_back(string text, string start, string end, byte protocol, int startPort, int endPort)
    {
        TrafficSelector selector = Ts(text);
        Assert.Equal((IPAddress.Parse(start), IPAddress.Parse(end)), (selector.StartAddress, selector.EndAddress));
        Assert.Equal((protocol, (ushort)startPort, (ushort)endPort), (selector.Protocol, selector.StartPort, selector.EndPort));
        Assert.Equal(text, selector.ToString());
    }

    [Theory]
    [InlineData("10.1.0.5/32", "10.1.0.5")]
    [InlineData("10.1.0.0-10.1.0.255", "10.1.0.0/24")]
    [InlineData(" 10.1.0.0/24 [ TCP / 80 ] ", "10.1.0.0/24[tcp/80]")]
    [InlineData("10.1.0.5[17/53]", "10.1.0.5[udp/53]")]
    [InlineData("10.1.0.5[udp/0-65535]", "10.1.0.5[udp]")]
    [InlineData("2001:DB8::1[ipv6-icmp]", "2001:db8::1[icmpv6]")]
    [InlineData("10.1.0.5[icmp/8:0-8:255]", "10.1.0.5[icmp/8]")]
    public void What_says_the_same_is_written_in_one_way(string text, string canonical) => Assert.Equal(canonical, Ts(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("10.1")]
    [InlineData("10.1.0.300")]
    [InlineData("010.1.0.1")]
    [InlineData("10.1.0.0/33")]
    [InlineData("10.1.0.0/-1")]
    [InlineData("10.1.0.0/")]
    [InlineData("2001:db8::/129")]
    [InlineData("10.1.0.9-10.1.0.1")]
    [InlineData("10.1.0.1-2001:db8::1")]
    [InlineData("fe80::1%2")]
    [InlineData("10.1.0.5[tcp")]
    [InlineData("10.1.0.5[]")]
    [InlineData("10.1.0.5[tpc]")]
    [InlineData("10.1.0.5[256]")]
    [InlineData("10.1.0.5[tcp/]")]
    [InlineData("10.1.0.5[tcp/65536]")]
    [InlineData("10.1.0.5[tcp/90-80]")]
    [InlineData("10.1.0.5[icmp/256]")]
    [InlineData("10.1.0.5[icmp/8:256]")]
    [InlineData("10.1.0.5[icmpv6]")]
    [InlineData("2001:db8::1[icmp]")]
    public void What_is_no_selector_is_refused_and_named(string text)
    {
        PcpuIpsecException exception = Assert.Throws<PcpuIpsecException>(() => Ts(text));
        Assert.Equal(PcpuIpsecError.InvalidOption, exception.Error);
        Assert.Contains($"'{text}'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prefix_with_host_bits_is_refused_with_the_network_it_lies_in()
        => Assert.Contains("10.1.0.0/24", Assert.Throws<PcpuIpsecException>(() => Ts("10.1.0.1/24")).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_selector_reads_back_from_its_text()
    {
        PayloadSource source = new(5);
        for (int i = 0; i < 2000; i++)
        {
            TrafficSelector selector = source.Selector();
            if (selector.Protocol is 1 or 58)
                selector = selector with { Protocol = (byte)(selector.IsIPv6 ? 58 : 1) };
            Assert.Equal(selector, Ts(selector.ToString()));
        }
    }

    [Theory]
    [InlineData("10.1.0.0/24", "10.1.0.77", 6, 80, true)]
    [InlineData("10.1.0.0/24", "10.1.1.0", 6, 80, false)]
    [InlineData("10.1.0.0/24", "10.0.255.255", 6, 80, false)]
    [InlineData("10.1.0.0/24[tcp/80]", "10.1.0.0", 6, 80, true)]
    [InlineData("10.1.0.0/24[tcp/80]", "10.1.0.255", 6, 81, false)]
    [InlineData("10.1.0.0/24[tcp/80]", "10.1.0.255", 6, 79, false)]
    [InlineData("10.1.0.0/24[tcp/80]", "10.1.0.255", 17, 80, false)]
    [InlineData("10.1.0.0/24[any/53]", "10.1.0.1", 17, 53, true)]
    [InlineData("10.1.0.0/24[any/53]", "10.1.0.1", 17, 54, false)]
    [InlineData("10.1.0.0/24[tcp/opaque]", "10.1.0.1", 6, 0, false)]
    [InlineData("::/0", "10.1.0.1", 6, 80, false)]
    [InlineData("0.0.0.0/0", "::1", 6, 80, false)]
    public void A_packet_matches_by_address_protocol_and_port(string selector, string address, byte protocol, ushort port, bool matches)
    {
        IPAddress parsed = IPAddress.Parse(address);
        bool isIPv6 = parsed.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;
        Assert.Equal(matches, Ts(selector).Matches(isIPv6, TrafficSelector.ToNumber(parsed), protocol, port));
    }

    [Theory]
    [InlineData("10.1.0.0/24", "10.1.0.0/24")]
    [InlineData("10.1.0.5", "10.1.0.5/32")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0")]
    [InlineData("10.1.0.1-10.1.0.9", "10.1.0.1/32 10.1.0.2/31 10.1.0.4/30 10.1.0.8/31")]
    [InlineData("10.0.0.0-10.2.255.255", "10.0.0.0/15 10.2.0.0/16")]
    [InlineData("255.255.255.254-255.255.255.255", "255.255.255.254/31")]
    [InlineData("0.0.0.0-255.255.255.254", "0.0.0.0/1 128.0.0.0/2 192.0.0.0/3 224.0.0.0/4 240.0.0.0/5 248.0.0.0/6 252.0.0.0/7 254.0.0.0/8 255.0.0.0/9 255.128.0.0/10 255.192.0.0/11 255.224.0.0/12 255.240.0.0/13 255.248.0.0/14 255.252.0.0/15 255.254.0.0/16 255.255.0.0/17 255.255.128.0/18 255.255.192.0/19 255.255.224.0/20 255.255.240.0/21 255.255.248.0/22 255.255.252.0/23 255.255.254.0/24 255.255.255.0/25 255.255.255.128/26 255.255.255.192/27 255.255.255.224/28 255.255.255.240/29 255.255.255.248/30 255.255.255.252/31 255.255.255.254/32")]
    [InlineData("::/0", "::/0")]
    [InlineData("2001:db8::-2001:db8::2", "2001:db8::/127 2001:db8::2/128")]
    [InlineData("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", null)]
    public void Prefixes_cover_the_range_and_nothing_else(string selector, string? prefixes)
    {
        List<(IPAddress Prefix, int Length)> list = [.. Ts(selector).ToPrefixes()];
        if (prefixes is not null)
            Assert.Equal(prefixes, string.Join(' ', list.Select(p => $"{p.Prefix}/{p.Length}")));
        else
            Assert.Equal(128, list.Count);
    }

    [Fact]
    public void Prefixes_of_any_range_follow_each_other_from_its_start_to_its_end()
    {
        PayloadSource source = new(6);
        for (int i = 0; i < 500; i++)
        {
            TrafficSelector selector = source.Selector();
            UInt128 next = selector.Start;
            int count = 0;
            foreach ((IPAddress prefix, int length) in selector.ToPrefixes())
            {
                TrafficSelector covered = Ts($"{prefix}/{length}"); // refuses host bits
                Assert.Equal(next, covered.Start);
                Assert.True(covered.End <= selector.End);
                next = covered.End + 1;
                Assert.InRange(++count, 1, 254);
            }

            Assert.Equal(selector.End + 1, next);
        }
    }
}
