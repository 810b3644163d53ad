using PcpuIpsec.Client;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Tests.Daemon;

public class InterfaceChecksTests
{
    private static readonly Link _nic = new(2, "eth0", null, LinkFlags.Up, 1500, new byte[6], TxQueues: 4, RxQueues: 4, PeerIndex: null);

    [Theory]
    [InlineData(1279, CheckOutcome.Failure, "ip link set eth0 mtu 1500, where the network has it")]
    [InlineData(1499, CheckOutcome.Warning, "a larger MTU, where the network has it, means fewer packets")]
    [InlineData(9000, CheckOutcome.Pass, null)]
    public void An_mtu_is_judged_by_what_it_carries(int mtu, CheckOutcome outcome, string? advice)
    {
        HostCheck check = InterfaceChecks.Mtu(_nic with { Mtu = mtu });
        Assert.Equal(("mtu-eth0", outcome, advice), (check.Name, check.Outcome, check.Advice));
    }

    [Theory]
    [InlineData(0, 0, 4, 8, CheckOutcome.Pass, null)]
    [InlineData(2, 8, 2, 2, CheckOutcome.Pass, null)]
    [InlineData(0, 0, 2, 8, CheckOutcome.Warning, "ethtool -L eth0 combined 4")]
    [InlineData(0, 0, 2, 3, CheckOutcome.Warning, "ethtool -L eth0 combined 3")]
    [InlineData(1, 8, 0, 0, CheckOutcome.Warning, "ethtool -L eth0 rx 4")]
    [InlineData(0, 0, 2, 2, CheckOutcome.Warning, "a NIC, or a virtual machine's setting, with a queue for each CPU")]
    public void Queues_are_compared_with_the_cpus(int rx, int rxMax, int combined, int combinedMax, CheckOutcome outcome, string? advice)
    {
        HostCheck check = InterfaceChecks.Queues(_nic, new Channels(rx, rxMax, 0, 0, combined, combinedMax), cpus: 4);
        Assert.Equal(("queues-eth0", outcome, advice), (check.Name, check.Outcome, check.Advice));
    }

    [Fact]
    public void Where_the_driver_does_not_tell_the_kernels_number_of_queues_counts()
    {
        Assert.Equal(CheckOutcome.Pass, InterfaceChecks.Queues(_nic, null, cpus: 4).Outcome);
        Assert.Equal(CheckOutcome.Warning, InterfaceChecks.Queues(_nic, null, cpus: 5).Outcome);
    }

    [Theory]
    [InlineData(256, 8192, CheckOutcome.Warning, "ethtool -G eth0 rx 4096")]
    [InlineData(256, 512, CheckOutcome.Warning, "ethtool -G eth0 rx 512")]
    [InlineData(512, 512, CheckOutcome.Pass, null)]
    [InlineData(1024, 8192, CheckOutcome.Pass, null)]
    public void Short_rings_are_warned_of_where_they_can_be_longer(int rx, int rxMax, CheckOutcome outcome, string? advice)
    {
        HostCheck check = InterfaceChecks.Ring(_nic, new Rings(rx, rxMax, 512, 512));
        Assert.Equal(("rings-eth0", outcome, advice), (check.Name, check.Outcome, check.Advice));
    }

    [Fact]
    public void Features_that_could_be_on_and_would_help_are_warned_of()
    {
        var features = new Features(new HashSet<string> { "rx-gro" }, new HashSet<string> { "rx-gro", "tx-esp-segmentation", "rx-ntuple-filter", "esp-hw-offload" });

        HostCheck[] checks = [.. InterfaceChecks.OfFeatures(_nic, features)];

        Assert.Equal(
            [
                ("rx-gro-eth0", CheckOutcome.Pass, null),
                ("tx-esp-segmentation-eth0", CheckOutcome.Warning, "ethtool -K eth0 tx-esp-segmentation on"),
                ("rx-gro-list-eth0", CheckOutcome.Pass, null),
                ("esp-hw-offload-eth0", CheckOutcome.Pass, null),
                ("rx-ntuple-filter-eth0", CheckOutcome.Warning, "ethtool -K eth0 ntuple on"),
            ],
            checks.Select(c => (c.Name, c.Outcome, c.Advice)));
    }

    [Fact]
    public void A_nic_without_filters_is_warned_of_and_a_veth_is_not()
    {
        var none = new Features(new HashSet<string>(), new HashSet<string>());
        Assert.StartsWith("perCpu.sourcePortPerSa", Assert.Single(InterfaceChecks.OfFeatures(_nic, none), c => c.Outcome == CheckOutcome.Warning).Advice);
        Assert.DoesNotContain(InterfaceChecks.OfFeatures(_nic with { Kind = "veth" }, none), c => c.Outcome != CheckOutcome.Pass);
    }
}
