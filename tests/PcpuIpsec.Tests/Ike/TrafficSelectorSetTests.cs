using PcpuIpsec.Ike;
using PcpuIpsec.Tests.Ike.Messages;

namespace PcpuIpsec.Tests.Ike;

public class TrafficSelectorSetTests
{
    private static TrafficSelector[] List(string text)
        => [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(TrafficSelector.Parse)];

    private static string Text(IEnumerable<TrafficSelector> selectors) => string.Join(' ', selectors);

    [Theory]
    [InlineData("10.1.0.0/16", "10.1.2.0/24", "10.1.2.0/24")]
    [InlineData("10.1.0.0-10.1.0.9", "10.1.0.5-10.1.0.20", "10.1.0.5-10.1.0.9")]
    [InlineData("10.1.0.0/24", "10.1.1.0/24", null)]
    [InlineData("10.1.0.0-10.1.0.9", "10.1.0.9-10.1.0.20", "10.1.0.9")]
    [InlineData("10.1.0.0/24", "::/0", null)]
    [InlineData("10.1.0.0/24[tcp]", "10.1.0.0/24", "10.1.0.0/24[tcp]")]
    [InlineData("10.1.0.0/24[tcp]", "10.1.0.0/24[udp]", null)]
    [InlineData("10.1.0.0/24[tcp/80-100]", "10.1.0.0/24[tcp/90-110]", "10.1.0.0/24[tcp/90-100]")]
    [InlineData("10.1.0.0/24[tcp/80]", "10.1.0.0/24[tcp/81]", null)]
    [InlineData("10.1.0.0/24[tcp/80]", "10.1.0.0/24[tcp]", "10.1.0.0/24[tcp/80]")]
    [InlineData("10.1.0.0/24[any/53]", "10.1.0.0/24[udp]", "10.1.0.0/24[udp/53]")]
    [InlineData("10.1.0.0/24[icmp/8:0]", "10.1.0.0/24[icmp/8]", "10.1.0.0/24[icmp/8:0]")]
    [InlineData("10.1.0.0/24[icmp/8]", "10.1.0.0/24[icmp/0]", null)]
    [InlineData("10.1.0.0/24[tcp/opaque]", "10.1.0.0/24", "10.1.0.0/24[tcp/opaque]")]
    [InlineData("10.1.0.0/24[tcp/opaque]", "10.1.0.0/24[tcp/opaque]", "10.1.0.0/24[tcp/opaque]")]
    [InlineData("10.1.0.0/24[tcp/opaque]", "10.1.0.0/24[tcp/1-65535]", null)]
    [InlineData("2001:db8::/32", "2001:db8:1::/48[icmpv6]", "2001:db8:1::/48[icmpv6]")]
    public void The_intersection_is_what_both_cover(string one, string other, string? both)
    {
        Assert.Equal(both, TrafficSelector.Parse(one).Intersect(TrafficSelector.Parse(other))?.ToString());
        Assert.Equal(both, TrafficSelector.Parse(other).Intersect(TrafficSelector.Parse(one))?.ToString());
    }

    [Theory]
    [InlineData("10.1.0.0/16", "10.1.2.0/24", true)]
    [InlineData("10.1.2.0/24", "10.1.0.0/16", false)]
    [InlineData("10.1.0.0/16", "10.1.0.0/16", true)]
    [InlineData("10.1.0.0/16", "10.1.2.0/24[tcp/80]", true)]
    [InlineData("10.1.0.0/16[tcp]", "10.1.2.0/24", false)]
    [InlineData("10.1.0.0/16[tcp]", "10.1.2.0/24[tcp/opaque]", true)]
    [InlineData("10.1.0.0/16[tcp/0-65534]", "10.1.2.0/24[tcp]", false)]
    public void A_selector_contains_what_lies_inside(string outer, string inner, bool contains)
        => Assert.Equal(contains, TrafficSelector.Parse(outer).Contains(TrafficSelector.Parse(inner)));

    [Theory]
    // equal, wider, narrower, apart
    [InlineData("10.1.0.0/16", "10.1.0.0/16", "10.1.0.0/16")]
    [InlineData("0.0.0.0/0", "10.1.0.0/16", "10.1.0.0/16")]
    [InlineData("10.1.2.0/24", "10.1.0.0/16", "10.1.2.0/24")]
    [InlineData("10.1.0.0/16", "10.2.0.0/16", "")]
    // the trigger packet's selector first, then the subnet: one selector that holds both
    [InlineData("10.1.0.5[tcp/40000] 10.1.0.0/16", "10.1.0.0/16", "10.1.0.0/16")]
    [InlineData("10.1.0.5[icmp/8:0] 10.1.0.0/24", "10.1.0.0/24", "10.1.0.0/24")]
    [InlineData("2001:db8:1::5[icmpv6/128:0] 2001:db8:1::/64", "2001:db8:1::/64", "2001:db8:1::/64")]
    [InlineData("10.1.0.5[udp/53] 0.0.0.0/0", "10.1.0.0/24 10.2.0.0/24", "10.1.0.0/24 10.2.0.0/24")]
    // the trigger is not allowed, the rest in part
    [InlineData("10.3.0.5[tcp/40000] 10.0.0.0/8", "10.1.0.0/24", "10.1.0.0/24")]
    [InlineData("10.1.0.5[udp/53] 10.1.0.0/24", "10.1.0.0/24[tcp]", "10.1.0.0/24[tcp]")]
    // the trigger alone is allowed
    [InlineData("10.1.0.5[tcp/80] 10.1.0.0/24[tcp]", "10.1.0.0/16[tcp/80]", "10.1.0.0/24[tcp/80]")]
    // several, duplicates, both families
    [InlineData("10.1.0.0/24 10.1.0.0/24", "10.1.0.0/24", "10.1.0.0/24")]
    [InlineData("10.1.0.0/24 10.1.0.0/25", "10.1.0.0/24", "10.1.0.0/24")]
    [InlineData("10.1.0.0/25 10.1.0.0/24", "0.0.0.0/0 10.1.0.0/16", "10.1.0.0/24")]
    [InlineData("0.0.0.0/0 ::/0", "2001:db8::/32 10.1.0.0/24", "10.1.0.0/24 2001:db8::/32")]
    [InlineData("10.1.0.0/24", "", "")]
    public void The_responder_narrows_to_what_is_offered_and_allowed(string offered, string allowed, string narrowed)
        => Assert.Equal(narrowed, Text(TrafficSelector.Narrow(List(offered), List(allowed))));

    [Fact]
    public void Narrowing_never_widens_and_keeps_the_first_choice_where_it_is_allowed()
    {
        PayloadSource source = new(7);
        for (int i = 0; i < 300; i++)
        {
            TrafficSelector[] offered = [source.Selector() with { Protocol = 6 }, source.Selector(), source.Selector() with { Protocol = 0 }];
            TrafficSelector[] allowed = [source.Selector() with { Protocol = 0 }, source.Selector()];
            IReadOnlyList<TrafficSelector> narrowed = TrafficSelector.Narrow(offered, allowed);

            Assert.All(narrowed, selector => Assert.True(selector.IsSubsetOf(offered) && selector.IsSubsetOf(allowed)));
            Assert.All(allowed, allow => Assert.True(offered[0].Intersect(allow)?.IsSubsetOf(narrowed) ?? true));
            Assert.All(narrowed, selector => Assert.DoesNotContain(narrowed, other => other != selector && other.Contains(selector)));
        }
    }

    [Fact]
    public void No_more_than_255_are_answered_and_the_first_choice_is_among_them()
    {
        TrafficSelector[] allowed = [.. Enumerable.Range(0, 400).Select(i => TrafficSelector.Parse($"10.{i / 200}.{i % 200}.0/24"))];
        TrafficSelector trigger = TrafficSelector.Parse("10.1.199.5[tcp/80]");
        IReadOnlyList<TrafficSelector> narrowed = TrafficSelector.Narrow([trigger, TrafficSelector.Parse("10.0.0.0/8")], allowed);
        Assert.Equal(255, narrowed.Count);
        Assert.Contains(narrowed, selector => selector.Contains(trigger));
    }

    [Theory]
    [InlineData("10.1.0.0/24", "10.1.0.0/25 10.1.0.128/25", true)]
    [InlineData("10.1.0.0/24", "10.1.0.0/25 10.1.0.129-10.1.0.255", false)]
    [InlineData("10.1.0.0/24[tcp]", "10.1.0.0/24[tcp/0-100] 10.1.0.0/24[tcp/101-65535] 10.1.0.0/24[tcp/opaque]", true)]
    [InlineData("10.1.0.0/24[tcp]", "10.1.0.0/24[tcp/0-100] 10.1.0.0/24[tcp/101-65535]", false)] // later fragments are missing
    [InlineData("10.1.0.0/24", "10.1.0.0/24[tcp]", false)]
    [InlineData("10.1.0.0/24", "::/0", false)]
    [InlineData("10.1.0.0/24", "", false)]
    [InlineData("::/0", "::/1 8000::/1", true)]
    [InlineData("10.1.0.0/24[tcp/80]", "10.1.0.0/25 10.1.0.128/25[tcp]", true)]
    [InlineData("10.1.0.0/24[icmp/8]", "10.1.0.0/24[icmp/8:0] 10.1.0.0/24[icmp/8:1-8:255]", true)]
    public void A_selector_is_a_subset_of_several_that_cover_it_together(string selector, string cover, bool subset)
        => Assert.Equal(subset, TrafficSelector.Parse(selector).IsSubsetOf(List(cover)));

    [Theory]
    [InlineData("10.1.0.0/24", "10.1.0.0/24", true)]
    [InlineData("10.1.0.0/24 10.2.0.0/24", "10.2.0.0/24 10.1.0.0/24", true)]
    [InlineData("10.1.0.5[tcp/80] 10.1.0.0/24", "10.1.0.0/24", true)]
    [InlineData("10.1.0.0/24", "10.1.0.0/25 10.1.0.128/25", true)]
    [InlineData("10.1.0.0/24", "10.1.0.0/25", false)]
    [InlineData("10.1.0.0/25", "10.1.0.0/24", false)]
    [InlineData("10.1.0.0/24", "10.1.0.0/24 10.2.0.0/24", false)]
    [InlineData("10.1.0.0/24", "", false)]
    [InlineData("", "", true)]
    public void Lists_are_the_same_where_they_cover_the_same_packets(string one, string other, bool same)
    {
        Assert.Equal(same, TrafficSelector.SameAs(List(one), List(other)));
        Assert.Equal(same, TrafficSelector.SameAs(List(other), List(one)));
    }

    [Fact]
    public void A_list_made_to_cost_is_not_worked_through()
    {
        // Each takes a corner off all that is left: the pieces multiply.
        TrafficSelector[] cover = [.. Enumerable.Range(1, 255).Select(i => TrafficSelector.Parse($"10.0.{i}.0-10.0.{i}.{i}[{(i % 2 == 0 ? "any" : "tcp")}/{i * 100}-{i * 100 + 50}]"))];
        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.False(TrafficSelector.Parse("0.0.0.0/0").IsSubsetOf(cover));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }
}
