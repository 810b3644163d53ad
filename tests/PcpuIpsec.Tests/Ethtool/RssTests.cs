using System.Buffers.Binary;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Netlink;
using static PcpuIpsec.Tests.Ethtool.FakeEthtoolControl;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Ethtool;

public class RssTests : EthtoolHarness
{
    private readonly NicWithHashing _nic;

    public RssTests() => _nic = new NicWithHashing(Control);

    [Fact]
    public void Key_table_and_function_are_read_in_two_steps()
    {
        Rss rss = Ethtool.Rss("eth0")!;

        Assert.Equal((RssHash.Toeplitz, 4, (byte)1), (rss.Hash, rss.Rings, rss.InputTransform));
        Assert.Equal([0, 1, 2, 3, 0, 1, 2, 3], rss.Table.ToArray());
        Assert.Equal([1, 2, 3, 4], rss.Key.ToArray());
        Assert.True(rss.HasDefaultTable);
        byte[][] sent = [.. Control.Sent(EthtoolCommand.GetRss)];
        Assert.Equal(Hex("46000000 00000000 00000000 00000000 00 00 0000 00000000"), sent[0]);
        Assert.Equal(24 + 32 + 4, sent[1].Length);
        Assert.Equal(Hex("46000000 00000000 08000000 04000000 00 00 0000 00000000"), sent[1][..24]);
    }

    [Fact]
    public void A_table_is_set_and_key_function_and_transformation_stay()
    {
        Rss now = Ethtool.SetRss("eth0", Ethtool.Rss("eth0")! with { Table = [3, 3, 3, 3, 2, 2, 2, 2] });

        Assert.Equal([3, 3, 3, 3, 2, 2, 2, 2], now.Table.ToArray());
        Assert.False(now.HasDefaultTable);
        Assert.Equal(
            Hex("47000000 00000000 08000000 00000000 00 01 0000 00000000  03000000 03000000 03000000 03000000 02000000 02000000 02000000 02000000"),
            Assert.Single(Control.Sent(EthtoolCommand.SetRss)));
    }

    [Fact]
    public void A_key_and_a_function_are_set_and_the_table_stays()
    {
        Rss now = Ethtool.SetRss("eth0", Ethtool.Rss("eth0")! with { Key = [9, 8, 7, 6], Hash = RssHash.Xor });

        Assert.Equal([9, 8, 7, 6], now.Key.ToArray());
        Assert.Equal(Hex("47000000 00000000 ffffffff 04000000 02 01 0000 00000000  09080706"), Assert.Single(Control.Sent(EthtoolCommand.SetRss)));
    }

    [Fact]
    public void What_is_there_already_is_not_set_and_a_reset_leaves_the_table_to_the_driver()
    {
        Rss before = Ethtool.Rss("eth0")!;
        Assert.Equal(before, Ethtool.SetRss("eth0", before));
        Assert.Empty(Control.Sent(EthtoolCommand.SetRss));

        Ethtool.SetRss("eth0", before with { Table = [1, 1, 1, 1, 1, 1, 1, 1] });
        Assert.Equal(before, Ethtool.ResetRssTable("eth0"));
        Assert.Equal(Hex("47000000 00000000 00000000 00000000 00 01 0000 00000000"), Control.Sent(EthtoolCommand.SetRss).Last());
    }

    [Theory]
    [InlineData(new[] { 0, 1 }, "RSS table = 2 entries: eth0 takes 8.")]
    [InlineData(new[] { 0, 1, 2, 3, 4, 0, 0, 0 }, "RSS table: queue 4: eth0 has 0 to 3.")]
    [InlineData(new[] { 0, -1, 2, 3, 0, 0, 0, 0 }, "RSS table: queue -1: eth0 has 0 to 3.")]
    public void A_table_that_the_driver_cannot_have_is_not_sent(int[] table, string message)
    {
        Rss rss = Ethtool.Rss("eth0")!;

        Assert.Equal(message, Assert.Throws<PcpuIpsecException>(() => Ethtool.SetRss("eth0", rss with { Table = [.. table] })).Message);
        Assert.Equal(message, Assert.Throws<PcpuIpsecException>(() => Ethtool.CreateRssContext("eth0", table)).Message);
        Assert.Empty(Control.Sent(EthtoolCommand.SetRss));
    }

    [Fact]
    public void A_key_of_another_length_is_not_sent()
    {
        Rss rss = Ethtool.Rss("eth0")!;

        Assert.Equal("RSS key = 3 bytes: eth0 takes 4.", Assert.Throws<PcpuIpsecException>(() => Ethtool.SetRss("eth0", rss with { Key = [1, 2, 3] })).Message);
    }

    [Fact]
    public void A_driver_without_hashing_is_null_to_read_and_an_error_of_the_host_to_set()
    {
        Rss rss = Ethtool.Rss("eth0")!;
        _nic.HasHashing = false;

        Assert.Null(Ethtool.Rss("eth0"));
        Assert.Equal(PcpuIpsecError.HostUnable, Assert.Throws<EthtoolException>(() => Ethtool.SetRss("eth0", rss)).Error);
        Assert.Equal("create an RSS context of eth0: Operation not supported (errno 95)", Assert.Throws<EthtoolException>(() => Ethtool.CreateRssContext("eth0", [])).Message);
    }

    [Fact]
    public void A_context_is_made_numbered_by_the_driver_and_deleted()
    {
        Assert.Equal(5u, Ethtool.CreateRssContext("eth0", [3, 3, 3, 3, 3, 3, 3, 3]));
        Assert.Equal(Hex("47000000 ffffffff 08000000 00000000 00 01 0000 00000000"), Control.Sent(EthtoolCommand.SetRss).Single()[..24]);

        Ethtool.DeleteRssContext("eth0", 5);
        Assert.Equal(Hex("47000000 05000000 00000000 00000000 00 00 0000 00000000"), Control.Sent(EthtoolCommand.SetRss).Last());
        Assert.Equal(PcpuIpsecError.InvalidOption, Assert.Throws<PcpuIpsecException>(() => Ethtool.DeleteRssContext("eth0", 0)).Error);
    }

    [Fact]
    public void Contexts_are_listed_by_a_dump_of_this_interface_from_1_on()
    {
        Kernel.Expect(request =>
        [
            new Answer(Message(request, Family, NetlinkFlags.Multi, Hex("26 01 0000  0800 0200 07000000  0c00 0400 0000000001000000"))),
            new Answer(Message(request, Family, NetlinkFlags.Multi, Hex("26 01 0000  0800 0200 02000000"))),
            Done(request),
        ]);

        Assert.Equal([2, 7], Ethtool.RssContexts("eth0")!);
        Assert.Equal(Hex($"26 01 0000 {HeaderOfEth0} 0800 0700 01000000"), Sent(1));
        Assert.Equal(0x0301, BinaryPrimitives.ReadUInt16LittleEndian(Kernel.Requests[1].AsSpan(6)));

        Refuse(95);
        Assert.Null(Ethtool.RssContexts("eth0"));
    }

    [Theory]
    [InlineData(0x0a)]
    [InlineData(0x06)]
    public void Hash_fields_are_read_and_set_for_a_type_of_packets(byte number)
    {
        var type = (FlowType)number;
        Assert.Equal(HashFields.SourceAddress | HashFields.DestinationAddress, Ethtool.HashFields("eth0", type));

        const HashFields Wanted = HashFields.SourceAddress | HashFields.DestinationAddress | HashFields.Bytes0To1 | HashFields.Bytes2To3;
        Assert.Equal(Wanted, Ethtool.SetHashFields("eth0", type, Wanted));
        Assert.Equal(Wanted, Ethtool.SetHashFields("eth0", type, Wanted));

        byte[] sent = Assert.Single(Control.Sent(EthtoolCommand.SetHashFields));
        Assert.Equal(Hex($"2a000000 {number:x2}000000 f000000000000000"), sent[..16]);
        Assert.Equal(192, sent.Length);
    }

    [Fact]
    public void A_type_of_packets_that_the_driver_does_not_know_has_no_hash_fields()
    {
        _nic.HashFieldsErrno = 22;
        Assert.Null(Ethtool.HashFields("eth0", FlowType.Ah4));
        Assert.Equal("set hash fields for Ah4 of eth0: Invalid argument (errno 22)", Assert.Throws<EthtoolException>(() => Ethtool.SetHashFields("eth0", FlowType.Ah4, HashFields.None)).Message);
    }

    /// <summary>A NIC with four queues, a table of eight entries and a key of four bytes.</summary>
    private sealed class NicWithHashing
    {
        private int[] _table = [0, 1, 2, 3, 0, 1, 2, 3];
        private byte[] _key = [1, 2, 3, 4];
        private ulong _fields = 0x30;
        private byte _hash = 1, _transform = 1;

        public NicWithHashing(FakeEthtoolControl control)
        {
            control.On(EthtoolCommand.GetRxRings, bytes => Always(() => U64(bytes, 8, 4)));
            control.On(EthtoolCommand.GetRss, bytes => HasHashing ? Always(() => Read(bytes)) : 95);
            control.On(EthtoolCommand.SetRss, bytes => Always(() => Write(bytes)));
            control.On(EthtoolCommand.GetHashFields, bytes => HashFieldsErrno != 0 ? HashFieldsErrno : Always(() => U64(bytes, 8, _fields)));
            control.On(EthtoolCommand.SetHashFields, bytes => HashFieldsErrno != 0 ? HashFieldsErrno : Always(() => _fields = bytes[8]));
        }

        public bool HasHashing { get; set; } = true;

        public int HashFieldsErrno { get; set; }

        private static int Always(Action action)
        {
            action();
            return 0;
        }

        private void Read(byte[] bytes)
        {
            (uint entries, uint keySize) = (U32(bytes, 8), U32(bytes, 12));
            U32(bytes, 8, 8);
            U32(bytes, 12, 4);
            (bytes[16], bytes[17]) = (_hash, _transform);
            if (entries == 8)
                Buffer.BlockCopy(_table, 0, bytes, 24, 32);
            if (keySize == 4)
                _key.CopyTo(bytes, 24 + 32);
        }

        private void Write(byte[] bytes)
        {
            if (U32(bytes, 4) == uint.MaxValue)
            {
                U32(bytes, 4, 5);
                return;
            }
            if (U32(bytes, 4) != 0)
                return;
            uint entries = U32(bytes, 8);
            if (entries == 0)
                _table = [0, 1, 2, 3, 0, 1, 2, 3];
            else if (entries == 8)
                Buffer.BlockCopy(bytes, 24, _table, 0, 32);
            if (U32(bytes, 12) == 4)
                _key = bytes[^4..];
            _hash = bytes[16] == 0 ? _hash : bytes[16];
            _transform = bytes[17];
        }
    }
}
