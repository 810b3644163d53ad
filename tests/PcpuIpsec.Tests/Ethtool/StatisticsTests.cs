using System.Text;
using PcpuIpsec.Ethtool;
using static PcpuIpsec.Tests.Ethtool.FakeEthtoolControl;

namespace PcpuIpsec.Tests.Ethtool;

public class StatisticsTests : EthtoolHarness
{
    private string[] _names = ["rx_queue_0_packets", "  drops", "drops", "drops", new('x', 32)];

    [Fact]
    public void Counters_keep_their_order_and_a_name_that_comes_again_gets_a_number()
    {
        AnswerStatistics();

        IReadOnlyDictionary<string, ulong> statistics = Ethtool.Statistics("eth0");

        Assert.Equal([new("rx_queue_0_packets", 0), new("drops", 10), new("drops#2", 20), new("drops#3", 30), new(new('x', 32), 40)], statistics);
        Assert.Equal(1u, U32(Control.Sent(EthtoolCommand.GetStrings).Single(), 4));
    }

    [Fact]
    public void Counters_whose_number_changes_while_they_are_read_are_read_again()
    {
        AnswerStatistics();
        int attempts = 0;
        Control.On(EthtoolCommand.GetStatistics, bytes =>
        {
            // As kernels from 6.19 on: nothing where the number is not that of the caller.
            if (++attempts == 1)
                _names = ["one", "two"];
            U32(bytes, 4, U32(bytes, 4) == _names.Length ? (uint)_names.Length : 0);
            return 0;
        });

        Assert.Equal(["one", "two"], Ethtool.Statistics("eth0").Keys);
        Assert.Equal(2, attempts);

        Control.On(EthtoolCommand.GetStatistics, bytes =>
        {
            U32(bytes, 4, 0);
            return 0;
        });
        Assert.Equal(11, Assert.Throws<EthtoolException>(() => Ethtool.Statistics("eth0")).Errno);
    }

    [Fact]
    public void A_driver_without_counters_has_none()
    {
        Assert.Empty(Ethtool.Statistics("eth0"));

        Control.On(EthtoolCommand.GetStringSetInfo, bytes =>
        {
            U64(bytes, 8, 0); // The kernel clears the bit of a set that is not there.
            return 0;
        });
        Assert.Empty(Ethtool.Statistics("eth0"));
    }

    [Fact]
    public void The_driver_is_told_by_its_own_words()
    {
        Control.On(EthtoolCommand.GetDriver, bytes =>
        {
            Assert.Equal(196, bytes.Length);
            foreach ((int at, string text) in (ReadOnlySpan<(int, string)>)[(4, "igb"), (36, "7.2.12"), (68, "3.25, 0x800005cf"), (100, "0000:00:04.0"), (132, "expansion")])
                Encoding.ASCII.GetBytes(text).CopyTo(bytes, at);
            return 0;
        });

        Assert.Equal(new DriverInfo("igb", "7.2.12", "3.25, 0x800005cf", "0000:00:04.0"), Ethtool.Driver("eth0"));
    }

    [Theory]
    [InlineData("525400123456", "525400123456")]
    [InlineData("000000000000", null)]
    [InlineData("", null)]
    public void The_permanent_address_is_null_where_there_is_none(string bytes, string? expected)
    {
        Control.On(EthtoolCommand.GetPermanentAddress, command =>
        {
            Assert.Equal(32u, U32(command, 4));
            byte[] address = Convert.FromHexString(bytes);
            U32(command, 4, (uint)address.Length);
            address.CopyTo(command, 8);
            return 0;
        });

        Assert.Equal(expected, Ethtool.PermanentAddress("eth0")?.ToString());
    }

    private void AnswerStatistics()
    {
        Control.On(EthtoolCommand.GetStringSetInfo, bytes =>
        {
            U32(bytes, 16, (uint)_names.Length);
            return 0;
        });
        Control.On(EthtoolCommand.GetStrings, bytes =>
        {
            U32(bytes, 8, (uint)_names.Length);
            for (int i = 0; i < _names.Length; i++)
                Encoding.ASCII.GetBytes(_names[i]).CopyTo(bytes, 12 + (32 * i));
            return 0;
        });
        Control.On(EthtoolCommand.GetStatistics, bytes =>
        {
            U32(bytes, 4, (uint)_names.Length);
            for (int i = 0; i < _names.Length; i++)
                U64(bytes, 8 + (8 * i), (ulong)(10 * i));
            return 0;
        });
    }
}
