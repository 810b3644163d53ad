using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Xfrm;

public class XfrmSelectorTests
{
    [Fact]
    public void Ranges_are_covered_by_prefixes_and_masks_and_nothing_else()
    {
        var source = new TrafficSelector(false, 17, 1000, 1003, Number("10.0.0.1"), Number("10.0.0.2"));
        TrafficSelector destination = TrafficSelector.ForAddress(IPAddress.Parse("10.2.0.1"));

        List<XfrmSelector> cover = [.. XfrmSelectors.Cover(source, destination)];

        Assert.Equal(["10.0.0.1/32 port 1000 of fffc → 10.2.0.1/32 protocol 17", "10.0.0.2/32 port 1000 of fffc → 10.2.0.1/32 protocol 17"], cover.Select(s => s.ToString()));
    }

    [Fact]
    public void Any_range_of_ports_holds_each_of_its_ports_once()
    {
        var random = new Random(9611);
        for (int round = 0; round < 200; round++)
        {
            int a = random.Next(65536), b = random.Next(65536);
            var source = new TrafficSelector(false, 6, (ushort)Math.Min(a, b), (ushort)Math.Max(a, b), 1, 1);
            List<XfrmSelector> cover = [.. XfrmSelectors.Cover(source, TrafficSelector.Everything(false))];
            for (int port = 0; port < 65536; port += 7)
                Assert.Equal(port >= Math.Min(a, b) && port <= Math.Max(a, b) ? 1 : 0, cover.Count(s => (port & s.SourcePort.Mask) == s.SourcePort.Value));
        }
    }

    [Fact]
    public void An_ICMP_type_is_the_source_port_and_its_code_the_destination_port()
    {
        var echo = new TrafficSelector(false, 1, 8 << 8, (8 << 8) | 0xff, 1, 1);
        Assert.Equal((XfrmPort.Exactly(8), XfrmPort.Any), Ports(echo));
        var unreachable = new TrafficSelector(false, 1, (3 << 8) | 4, (3 << 8) | 4, 1, 1);
        Assert.Equal((XfrmPort.Exactly(3), XfrmPort.Exactly(4)), Ports(unreachable));
        Assert.Equal((XfrmPort.Any, XfrmPort.Any), Ports(new TrafficSelector(false, 1, 0, 65535, 1, 1)));

        static (XfrmPort, XfrmPort) Ports(TrafficSelector source)
        {
            XfrmSelector only = Assert.Single(XfrmSelectors.Cover(source, TrafficSelector.Everything(false)));
            return (only.SourcePort, only.DestinationPort);
        }
    }

    [Fact]
    public void Families_and_protocols_that_exclude_each_other_give_nothing()
    {
        Assert.Empty(XfrmSelectors.Cover(TrafficSelector.Everything(false), TrafficSelector.Everything(true)));
        Assert.Empty(XfrmSelectors.Cover(TrafficSelector.Everything(false) with { Protocol = 6 }, TrafficSelector.Everything(false) with { Protocol = 17 }));
    }

    [Fact]
    public void OPAQUE_ports_are_refused_by_name()
    {
        TrafficSelector opaque = TrafficSelector.Everything(false) with { StartPort = 65535, EndPort = 0 };
        Assert.Contains("OPAQUE", Assert.Throws<PcpuIpsecException>(() => XfrmSelectors.Cover(opaque, TrafficSelector.Everything(false))).Message);
    }

    [Theory]
    [InlineData("10.1.0.0/24", "10.2.0.7/32", 17, 500)]
    [InlineData("fd01::/64", "::/0", 6, 0)]
    [InlineData("0.0.0.0/0", "10.0.0.0/8", 0, 0)]
    public void A_trigger_becomes_traffic_selectors_that_cover_the_same(string source, string destination, byte protocol, ushort port)
    {
        var selector = new XfrmSelector { Source = XfrmPrefix.Parse(source), Destination = XfrmPrefix.Parse(destination), Protocol = protocol, DestinationPort = port == 0 ? XfrmPort.Any : XfrmPort.Exactly(port) };
        (TrafficSelector from, TrafficSelector to) = selector.ToTrafficSelectors();
        Assert.Equal(selector, Assert.Single(XfrmSelectors.Cover(from, to)));
    }

    [Fact]
    public void A_pings_trigger_names_type_and_code_on_both_sides()
    {
        var echo = new XfrmSelector { Source = XfrmPrefix.Parse("10.1.0.1/32"), Destination = XfrmPrefix.Parse("10.2.0.1/32"), Protocol = 1, SourcePort = XfrmPort.Exactly(8), DestinationPort = XfrmPort.Exactly(0) };
        (TrafficSelector from, TrafficSelector to) = echo.ToTrafficSelectors();
        Assert.Equal((0x800, 0x800, 0x800, 0x800), (from.StartPort, from.EndPort, to.StartPort, to.EndPort));
    }

    private static UInt128 Number(string address) => TrafficSelector.ToNumber(IPAddress.Parse(address));
}
