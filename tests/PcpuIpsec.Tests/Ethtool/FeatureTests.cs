using System.Text;
using PcpuIpsec.Ethtool;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Ethtool;

public class FeatureTests : EthtoolHarness
{
    [Fact]
    public void A_feature_is_set_where_it_has_a_value_or_where_only_those_that_are_set_are_told()
    {
        Answer(Reply(changeable: ["rx-gro"], known: ["rx-gro", "tx-lockless", "esp-hw-offload"], wanted: ["rx-gro"], active: ["esp-hw-offload"]));

        Features features = Ethtool.Features("eth0")!;

        Assert.Equal(["rx-gro"], features.Changeable);
        Assert.Equal(["esp-hw-offload"], features.Active);
        Assert.Equal(["rx-gro"], features.Wanted);
        Assert.Equal(3, features.Known.Count);
        Assert.Equal(0x0b, Sent(1)[0]);
    }

    [Fact]
    public void Only_wishes_that_are_new_are_told_to_the_kernel_by_name()
    {
        string[] known = ["rx-gro", "rx-gro-list", "tx-gso-list"];
        Answer(Reply(changeable: known, known, wanted: ["rx-gro", "tx-gso-list"], active: ["rx-gro", "tx-gso-list"]));
        AnswerAck();
        Answer(Reply(changeable: known, known, wanted: ["rx-gro-list", "tx-gso-list"], active: ["rx-gro-list", "tx-gso-list"]));

        FeatureOutcome outcome = Ethtool.SetFeatures("eth0", new Dictionary<string, bool> { ["rx-gro-list"] = true, ["rx-gro"] = false, ["tx-gso-list"] = true });

        Assert.Empty(outcome.Refused);
        Assert.Contains("rx-gro-list", outcome.Now.Active);
        Assert.Equal(
            Hex($"""
                0c 01 0000 {HeaderOfEth0}                             # ETHTOOL_MSG_FEATURES_SET
                3000 0380                                             # WANTED, with a mask: what is not listed stays
                  2c00 0380                                           # BITS
                    1000 0180  0b00 0200 72782d67726f0000             # rx-gro without a value: off
                    1800 0180  1000 0200 72782d67726f2d6c69737400     # rx-gro-list
                               0400 0300                              # on
                """),
            Sent(2));
    }

    [Fact]
    public void What_did_not_take_is_told_with_why()
    {
        string[] known = ["a", "b", "c", "d"];
        Answer(Reply(changeable: ["a", "b"], known, wanted: [], active: ["c", "d"]));
        AnswerAck();
        Answer(Reply(changeable: ["a", "b"], known, wanted: ["a"], active: ["c", "d"]));

        FeatureOutcome outcome = Ethtool.SetFeatures("eth0", new Dictionary<string, bool> { ["a"] = true, ["b"] = true, ["c"] = false, ["d"] = true });

        Assert.Equal(["a", "b", "c"], outcome.Refused.Keys.Order());
        Assert.Contains("the wish is noted", outcome.Refused["a"], StringComparison.Ordinal);
        Assert.Contains("did not take the wish", outcome.Refused["b"], StringComparison.Ordinal);
        Assert.Contains("it is on and fixed", outcome.Refused["c"], StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_the_kernel_does_not_have_changes_nothing()
    {
        Answer(Reply(changeable: ["rx-gro"], known: ["rx-gro"], wanted: [], active: []));

        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => Ethtool.SetFeatures("eth0", new Dictionary<string, bool> { ["rx-gro"] = true, ["gro"] = true }));

        Assert.Equal(PcpuIpsecError.InvalidOption, e.Error);
        Assert.Equal("feature = 'gro': this kernel has none of that name; eth0 can change rx-gro.", e.Message);
        Assert.Equal(2, Kernel.Requests.Count);
    }

    /// <summary>ETHTOOL_MSG_FEATURES_GET_REPLY: what is changeable with a mask, the rest as lists, as the kernel does.</summary>
    private static byte[] Reply(string[] changeable, string[] known, string[] wanted, string[] active) =>
    [
        .. Hex("0b 01 0000"),
        .. Nest(EthtoolAttribute.FeaturesHw, Attribute(2, 64, 0, 0, 0), Nest(EthtoolAttribute.BitsetBits, [.. known.Select(k => Bit(k, changeable.Contains(k)))])),
        .. List(EthtoolAttribute.FeaturesWanted, wanted),
        .. List(EthtoolAttribute.FeaturesActive, active),
    ];

    private static byte[] List(ushort type, string[] names)
        => Nest(type, Attribute(EthtoolAttribute.BitsetNoMask), Nest(EthtoolAttribute.BitsetBits, [.. names.Select(n => Bit(n, hasValue: false))]));

    private static byte[] Nest(ushort type, params byte[][] attributes) => Attribute((ushort)(type | 0x8000), [.. attributes.SelectMany(a => a)]);

    private static byte[] Bit(string name, bool hasValue)
        => Nest(EthtoolAttribute.BitsetBitsBit, Attribute(1, 7, 0, 0, 0), Attribute(EthtoolAttribute.BitName, [.. Encoding.ASCII.GetBytes(name), 0]), hasValue ? Attribute(EthtoolAttribute.BitValue) : []);
}
