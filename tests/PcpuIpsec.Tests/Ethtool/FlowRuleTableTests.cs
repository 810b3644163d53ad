using System.Net.Sockets;
using System.Runtime.InteropServices;
using PcpuIpsec.Ethtool;
using static PcpuIpsec.Tests.Ethtool.FakeEthtoolControl;

namespace PcpuIpsec.Tests.Ethtool;

public class FlowRuleTableTests : EthtoolHarness
{
    private const int Count = 184, Locations = 188, Location = 176, Data = 8;

    private readonly SortedDictionary<uint, byte[]> _rules = [];
    private ulong _capacity = 4, _told = 4;

    public FlowRuleTableTests()
    {
        Control.On(EthtoolCommand.GetRuleCount, bytes =>
        {
            U32(bytes, Count, (uint)_rules.Count);
            U64(bytes, Data, _told);
            return 0;
        });
        Control.On(EthtoolCommand.GetAllRules, ListRules);
        Control.On(EthtoolCommand.GetRule, bytes =>
        {
            if (!_rules.TryGetValue(U32(bytes, Location), out byte[]? rule))
                return 2;
            rule.CopyTo(bytes, 16);
            return 0;
        });
        Control.On(EthtoolCommand.InsertRule, bytes =>
        {
            if (U32(bytes, Location) == FlowRule.AnyLocation)
                U32(bytes, Location, 2);
            _rules[U32(bytes, Location)] = bytes[16..(16 + FlowRule.Size)];
            return 0;
        });
        Control.On(EthtoolCommand.DeleteRule, bytes => _rules.Remove(U32(bytes, Location)) ? 0 : 2);
    }

    [Fact]
    public void Rules_are_put_read_and_taken_away_and_what_was_read_can_be_put_back()
    {
        FlowRule ours = FlowRule.Esp(AddressFamily.InterNetwork, 0x1000, queue: 1), theirs = FlowRule.Udp(AddressFamily.InterNetwork, null, 53, queue: 0).At(0);
        Assert.Equal(0u, Ethtool.InsertRule("eth0", theirs));
        Assert.Equal(1u, Ethtool.InsertRule("eth0", ours));

        FlowRuleTable table = Ethtool.Rules("eth0")!;

        Assert.Equal((4, false, 2u), (table.Capacity, table.TakesSpecialLocations, table.FreeLocation()));
        Assert.Equal([new(0, theirs), new(1, ours.At(1))], table.Rules);

        Ethtool.DeleteRule("eth0", 0);
        Assert.Equal([1u], Ethtool.Rules("eth0")!.Rules.Keys);
        Ethtool.InsertRule("eth0", FlowRule.Parse(table.Rules[0].ToString()));
        Assert.Equal(table.Rules, Ethtool.Rules("eth0")!.Rules);
        Assert.All(Control.Sent(EthtoolCommand.InsertRule), c => Assert.Equal(192, c.Length));
    }

    [Fact]
    public void Where_the_driver_chooses_it_is_asked_to()
    {
        _told |= FlowRule.SpecialLocation;

        Assert.True(Ethtool.Rules("eth0")!.TakesSpecialLocations);
        Assert.Equal(2u, Ethtool.InsertRule("eth0", FlowRule.Esp(AddressFamily.InterNetwork, 1, 0)));
        Assert.Equal(FlowRule.AnyLocation, U32(Control.Sent(EthtoolCommand.InsertRule).Single(), Location));
        Assert.Equal(4, Ethtool.Rules("eth0")!.Capacity);
    }

    [Fact]
    public void A_capacity_that_comes_with_the_list_alone_counts_too()
    {
        (_told, _capacity) = (0, 7);

        Assert.Equal(7, Ethtool.Rules("eth0")!.Capacity);
    }

    [Fact]
    public void A_full_table_takes_no_more_and_a_wish_for_a_place_none_where_there_are_only_numbers()
    {
        for (uint i = 0; i < 4; i++)
            Ethtool.InsertRule("eth0", FlowRule.Esp(AddressFamily.InterNetwork, i, 0));

        EthtoolException e = Assert.Throws<EthtoolException>(() => Ethtool.InsertRule("eth0", FlowRule.Esp(AddressFamily.InterNetwork, 5, 0)));
        Assert.Equal("insert the rule Esp4 spi 0x00000005 to queue 0 of eth0: No space left on device (errno 28): all 4 locations are taken", e.Message);
        PcpuIpsecException first = Assert.Throws<PcpuIpsecException>(() => Ethtool.InsertRule("eth0", FlowRule.Esp(AddressFamily.InterNetwork, 5, 0).At(0xfffffffe)));
        Assert.Equal("location = 0xfffffffe: eth0 takes numbers only.", first.Message);
    }

    [Fact]
    public void A_context_goes_beside_the_rule()
    {
        Ethtool.InsertRule("eth0", FlowRule.Esp(AddressFamily.InterNetwork, 1, 0).ToContext(6));

        Assert.Equal(6u, U32(Control.Sent(EthtoolCommand.InsertRule).Single(), Count));
    }

    [Fact]
    public void A_list_that_changes_while_it_is_read_is_read_again()
    {
        Ethtool.InsertRule("eth0", FlowRule.Esp(AddressFamily.InterNetwork, 1, 0));
        int lists = 0;
        Control.On(EthtoolCommand.GetAllRules, bytes =>
        {
            int result = ListRules(bytes);
            if (++lists == 1)
                _rules.Clear(); // Gone before it can be read.
            return result;
        });
        Assert.Empty(Ethtool.Rules("eth0")!.Rules);
        Assert.Equal(2, lists);

        Control.On(EthtoolCommand.GetAllRules, _ => 90);
        Assert.Equal(11, Assert.Throws<EthtoolException>(() => Ethtool.Rules("eth0")).Errno);
    }

    [Fact]
    public void A_driver_without_rules_says_so()
    {
        Control.On(EthtoolCommand.GetRuleCount, _ => 95);
        Control.On(EthtoolCommand.InsertRule, _ => 95);
        Control.On(EthtoolCommand.DeleteRule, _ => 95);

        Assert.Null(Ethtool.Rules("eth0"));
        EthtoolException e = Assert.Throws<EthtoolException>(() => Ethtool.InsertRule("eth0", FlowRule.Esp(AddressFamily.InterNetwork, 5, 0)));
        Assert.Equal((PcpuIpsecError.HostUnable, "insert the rule Esp4 spi 0x00000005 to queue 0"), (e.Error, e.Operation));
        Assert.Equal("delete the rule at location 3", Assert.Throws<EthtoolException>(() => Ethtool.DeleteRule("eth0", 3)).Operation);
    }

    private int ListRules(byte[] bytes)
    {
        if (U32(bytes, Count) < _rules.Count)
            return 90;
        U32(bytes, Count, (uint)_rules.Count);
        U64(bytes, Data, _capacity);
        _rules.Keys.ToArray().AsSpan().CopyTo(MemoryMarshal.Cast<byte, uint>(bytes.AsSpan(Locations)));
        return 0;
    }
}
