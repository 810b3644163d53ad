using PcpuIpsec.Ethtool;
using static PcpuIpsec.Tests.Ethtool.FakeEthtoolControl;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Ethtool;

public class CoalescingTests : EthtoolHarness
{
    // rx-usecs 3, rx-frames 16, adaptive-rx on, a profile that nobody asked for, rx-cqe-nsecs 5
    private const string Before = "14 01 0000  0800 0200 03000000  0800 0300 10000000  0500 0b00 01000000  0800 1d80 04000100  0800 2000 05000000";

    [Fact]
    public void Parameters_are_told_by_ethtools_names_and_in_its_order()
    {
        Answer(Before);

        IReadOnlyDictionary<string, long> values = Ethtool.Coalescing("eth0")!;

        Assert.Equal([new("rx-usecs", 3), new("rx-frames", 16), new("adaptive-rx", 1), new("rx-cqe-nsecs", 5)], values);
        Assert.Equal(0x13, Sent(1)[0]);
    }

    [Fact]
    public void Only_what_changes_is_set()
    {
        Answer(Before);
        AnswerAck();
        Answer(Before);

        Ethtool.SetCoalescing("eth0", new Dictionary<string, long> { ["rx-usecs"] = 50, ["rx-frames"] = 16, ["adaptive-rx"] = 0 });

        Assert.Equal(Hex($"14 01 0000 {HeaderOfEth0} 0800 0200 32000000  0500 0b00 00000000"), Sent(2));

        Answer(Before);
        Ethtool.SetCoalescing("eth0", new Dictionary<string, long> { ["rx-usecs"] = 3 });
        Assert.Equal(5, Kernel.Requests.Count);
    }

    [Theory]
    [InlineData("tx-usecs", 1, "coalescing parameter = 'tx-usecs': eth0 has rx-usecs, rx-frames, adaptive-rx, rx-cqe-nsecs.")]
    [InlineData("rx-usecs", -1, "rx-usecs = -1: allowed are 0 to 4294967295.")]
    [InlineData("adaptive-rx", 2, "adaptive-rx = 2: allowed are 0 to 1.")]
    public void A_parameter_that_the_driver_does_not_have_or_take_changes_nothing(string name, long value, string message)
    {
        Answer(Before);

        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => Ethtool.SetCoalescing("eth0", new Dictionary<string, long> { ["rx-frames"] = 1, [name] = value }));

        Assert.Equal((PcpuIpsecError.InvalidOption, message), (e.Error, e.Message));
        Assert.Equal(2, Kernel.Requests.Count);
    }

    [Fact]
    public void A_queue_tells_its_own_and_the_rest_of_its_structure_stays_as_it_is()
    {
        uint[] fields = new uint[23];
        (fields[1], fields[2], fields[5], fields[10]) = (7, 8, 99, 1);
        Control.On(EthtoolCommand.PerQueue, bytes =>
        {
            // struct ethtool_per_queue_op { cmd, sub_command, queue_mask[128], data }: queue 33 is bit 1 of the second word.
            Assert.Equal((520 + 92, 2u, 0u), (bytes.Length, U32(bytes, 12), U32(bytes, 8)));
            Assert.Equal(U32(bytes, 4), U32(bytes, 520));
            if (U32(bytes, 4) == EthtoolCommand.SetCoalesce)
                Buffer.BlockCopy(bytes, 520, fields, 0, 92);
            Buffer.BlockCopy(fields, 4, bytes, 524, 88);
            return 0;
        });
        for (int i = 0; i < 3; i++)
            Answer(Before);

        Assert.Equal([new("rx-usecs", 7), new("rx-frames", 8), new("adaptive-rx", 1)], Ethtool.QueueCoalescing("eth0", 33)!);
        IReadOnlyDictionary<string, long> now = Ethtool.SetQueueCoalescing("eth0", 33, new Dictionary<string, long> { ["rx-usecs"] = 9 });

        Assert.Equal(9, now["rx-usecs"]);
        Assert.Equal((9u, 8u, 99u, 1u), (fields[1], fields[2], fields[5], fields[10]));
    }

    [Fact]
    public void A_driver_without_coalescing_for_each_queue_says_so()
    {
        Answer(Before);
        Assert.Null(Ethtool.QueueCoalescing("eth0", 0));

        Answer(Before);
        EthtoolException e = Assert.Throws<EthtoolException>(() => Ethtool.SetQueueCoalescing("eth0", 0, new Dictionary<string, long> { ["rx-usecs"] = 9 }));
        Assert.Equal(("set coalescing of queue 0", PcpuIpsecError.HostUnable), (e.Operation, e.Error));
    }
}
