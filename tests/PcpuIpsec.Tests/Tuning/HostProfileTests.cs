using System.Collections.Immutable;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Tuning;

namespace PcpuIpsec.Tests.Tuning;

public class HostProfileTests
{
    private static readonly NicState _nic = new()
    {
        Link = "eth0",
        Mtu = 1500,
        Channels = new Channels(0, 0, 0, 0, 2, 8, 1, 1),
        Rings = new Rings(256, 1024, 8192, 8192),
        Coalescing = new Dictionary<string, long> { ["rx-usecs"] = 3, ["rx-frames"] = 0 },
        Features = new Features(ImmutableHashSet.Create("rx-lro"), ImmutableHashSet.Create("rx-gro", "rx-lro")),
        Irqs = [new NicIrq(30, "eth0", IrqUse.Other, null), new NicIrq(31, "eth0-TxRx-0", IrqUse.Rx | IrqUse.Tx, 0), new NicIrq(32, "eth0-TxRx-1", IrqUse.Rx | IrqUse.Tx, 1)],
        Queues = ["rx-0", "rx-1", "tx-0", "tx-1"],
    };

    [Theory]
    [InlineData(1, "combined 1")]
    [InlineData(4, "combined 4")]
    [InlineData(64, "combined 8")]
    public void There_are_as_many_queues_as_CPUs_and_as_the_driver_has(int cpus, string combined)
    {
        Wish wish = Assert.Single(HostProfile.Channels(_nic, cpus));
        Assert.Equal(("nic/eth0/channels", "rx 0, tx 0, other 1, " + combined), (wish.Key, wish.Value));
        Assert.Contains("irq/eth0/eth0-TxRx-1", wish.Disturbs);
        Assert.Contains("nic/eth0/tx-1/xps_cpus", wish.Disturbs);
        Assert.Contains("nic/eth0/rss", wish.Disturbs);
    }

    [Fact]
    public void Each_queue_is_its_CPUs_and_nothing_is_made_smaller()
    {
        Dictionary<string, string> wishes = HostProfile.Of(_nic, [2, 3], [0, 1, 2, 3]).ToDictionary(w => w.Key, w => w.Value);
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["irq/eth0/eth0-TxRx-0"] = "4",
                ["irq/eth0/eth0-TxRx-1"] = "8",
                // CPUs without a queue of their own share.
                ["nic/eth0/tx-0/xps_cpus"] = "5",
                ["nic/eth0/tx-1/xps_cpus"] = "a",
                ["nic/eth0/rx-0/rps_cpus"] = "0",
                ["nic/eth0/rx-1/rps_cpus"] = "0",
                ["nic/eth0/rings"] = "rx 1024, tx 8192",
                ["nic/eth0/coalescing"] = "rx-usecs 30, rx-frames 0",
                ["nic/eth0/feature/rx-gro"] = "on",
                ["nic/eth0/feature/rx-lro"] = "off",
            },
            wishes);
    }

    [Fact]
    public void With_fewer_queues_than_CPUs_packets_may_be_handed_on()
        => Assert.DoesNotContain(HostProfile.Of(_nic, [0, 1, 2], [0, 1, 2]), w => w.Key.EndsWith("rps_cpus", StringComparison.Ordinal));

    [Fact]
    public void A_driver_that_knows_best_is_let()
        => Assert.Contains(HostProfile.Of(_nic with { Coalescing = new Dictionary<string, long> { ["adaptive-rx"] = 0, ["rx-usecs"] = 3 } }, [0], [0]), w => w.Value == "adaptive-rx 1, rx-usecs 3");

    [Fact]
    public void What_a_driver_does_not_have_is_not_wished_for()
        => Assert.Empty(HostProfile.Of(new NicState { Link = "eth0", Queues = ["rx-0", "tx-0"] }, [0, 1], [0, 1]).Concat(HostProfile.Channels(new NicState { Link = "eth0" }, 2)));

    [Fact]
    public void Buffers_grow_and_never_shrink()
    {
        var host = new Dictionary<string, string>
        {
            ["net.core.rmem_max"] = "212992",
            ["net.core.wmem_max"] = "33554432",
            ["net.core.netdev_budget"] = "300",
            ["net.ipv4.tcp_rmem"] = "4096\t131072\t6291456",
            ["net.ipv4.tcp_wmem"] = "4096\t16384\t67108864",
        };
        Assert.Equal(
            ["sysctl/net.core.rmem_max=16777216", "sysctl/net.core.netdev_budget=600", "sysctl/net.ipv4.tcp_rmem=4096\t131072\t16777216"],
            HostProfile.OfHost(host.GetValueOrDefault).Select(w => $"{w.Key}={w.Value}"));
    }

    [Fact]
    public void The_MTU_that_lets_usual_packets_through_is_advised()
    {
        TuningResult advice = Assert.Single(HostAdvice.Of(_nic));
        Assert.Equal(TuningOutcome.Advice, advice.Outcome);
        // 1500 - 20 (IPv4) - 8 (SPI, number) - 8 (IV) - 16 (ICV) = 1448, in words of 4 bytes with 2 of trailer.
        Assert.Contains("leaves 1446 bytes", advice.Reason, StringComparison.Ordinal);
        Assert.Empty(HostAdvice.Of(_nic with { Mtu = 1600 }));
    }
}
