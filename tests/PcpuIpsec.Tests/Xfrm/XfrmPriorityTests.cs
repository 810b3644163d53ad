using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>Worked out by hand from the formula in strongSwan's kernel_netlink_ipsec.c (get_priority).</summary>
public class XfrmPriorityTests
{
    [Theory]
    [InlineData("10.1.0.0/24", "10.2.0.0/24", 0, 0, false, 375_423u)] // 400000 - 48 * 512 - 1
    [InlineData("0.0.0.0/0", "0.0.0.0/0", 0, 0, false, 399_999u)]
    [InlineData("10.1.0.1/32", "10.2.0.1/32", 6, 443, false, 366_911u)] // 400000 - 64 * 512 - 256 - 16 * 4 - 1
    [InlineData("2001:db8::1/128", "2001:db8::2/128", 0, 0, true, 268_925u)] // 400000 - 256 * 512 - 2 - 1
    public void A_tunnels_priority_is_strongSwans(string source, string destination, byte protocol, ushort port, bool boundToInterface, uint expected)
    {
        XfrmSelector selector = Selector(source, destination) with { Protocol = protocol, DestinationPort = port == 0 ? XfrmPort.Any : XfrmPort.Exactly(port) };
        Assert.Equal(expected, XfrmPriority.Of(selector, XfrmPolicyClass.Default, boundToInterface));
    }

    [Fact]
    public void The_classes_are_as_far_apart_as_strongSwans()
    {
        XfrmSelector selector = Selector("10.1.0.0/24", "10.2.0.0/24");
        Assert.Equal([175_423u, 375_423u, 375_424u, 575_423u],
            new[] { XfrmPolicyClass.Pass, XfrmPolicyClass.Default, XfrmPolicyClass.Routed, XfrmPolicyClass.Fallback }.Select(c => XfrmPriority.Of(selector, c)));
    }

    [Fact]
    public void The_narrowest_of_all_is_the_highest_priority_that_strongSwan_names()
    {
        XfrmSelector selector = Selector("2001:db8::1/128", "2001:db8::2/128") with { Protocol = 6, SourcePort = XfrmPort.Exactly(1), DestinationPort = XfrmPort.Exactly(2) };
        Assert.Equal(68_541u, XfrmPriority.Of(selector, XfrmPolicyClass.Pass, boundToInterface: true));
    }

    private static XfrmSelector Selector(string source, string destination)
        => new() { Source = XfrmPrefix.Parse(source), Destination = XfrmPrefix.Parse(destination) };
}
