using PcpuIpsec.Ethtool;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Netlink;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Ethtool;

/// <summary>ethtool's generic netlink, byte for byte: what finds it, what reads queues and descriptors, and what sets them.</summary>
public class EthtoolRequestTests : EthtoolHarness
{
    private const string FourOfEightChannels = "18 01 0000  0800 0500 08000000  0800 0900 04000000";

    [Fact]
    public void The_familys_number_is_asked_for_by_name()
    {
        Assert.Equal(
            Hex("""
                20000000 1000 0500 01000000 00000000   # GENL_ID_CTRL, REQUEST|ACK
                03 01 0000                             # CTRL_CMD_GETFAMILY, version 1
                0c00 0200 657468746f6f6c00             # CTRL_ATTR_FAMILY_NAME "ethtool"
                """),
            Kernel.Requests[0]);
    }

    [Fact]
    public void A_kernel_without_the_family_has_no_socket()
    {
        var kernel = new FakeKernel();
        var control = new FakeEthtoolControl();
        kernel.Expect(request => [Ack(request, errno: 2)]);

        Assert.Null(EthtoolSocket.TryOpen(new NetlinkSocket(kernel), control));
        Assert.True(control.IsDisposed);
    }

    [Fact]
    public void Channels_are_asked_for_by_the_interfaces_name()
    {
        Answer("""
            18 01 0000                                 # ETHTOOL_MSG_CHANNELS_GET_REPLY
            1000 0180  0800 0100 02000000  0400 0300   # header: index 2, and what we do not know
            0800 0200 08000000                         # RX_MAX
            0800 0300 08000000                         # TX_MAX
            0800 0400 01000000                         # OTHER_MAX
            0800 0500 10000000                         # COMBINED_MAX
            0800 0600 01000000                         # RX_COUNT
            0800 0700 02000000                         # TX_COUNT
            0800 0800 01000000                         # OTHER_COUNT
            0800 0900 04000000                         # COMBINED_COUNT
            """);

        Channels? channels = Ethtool.Channels("eth0");

        Assert.Equal(new Channels(Rx: 1, RxMax: 8, Tx: 2, TxMax: 8, Combined: 4, CombinedMax: 16, Other: 1, OtherMax: 1), channels);
        Assert.Equal((5, 24), (channels!.Receiving, channels.ReceivingMax));
        Assert.Equal(
            Hex("""
                24000000 1500 0500 02000000 00000000
                11 01 0000                             # ETHTOOL_MSG_CHANNELS_GET
                1000 0180                              # ETHTOOL_A_CHANNELS_HEADER, nested
                  0900 0200 6574683000000000           # ETHTOOL_A_HEADER_DEV_NAME "eth0"
                """),
            Kernel.Requests[1]);
    }

    [Fact]
    public void Of_channels_only_what_changes_is_set_and_what_is_there_then_is_read()
    {
        Answer(FourOfEightChannels);
        AnswerAck();
        Answer("18 01 0000  0800 0500 08000000  0800 0900 02000000");

        Channels now = Ethtool.SetChannels("eth0", new Channels(0, 0, 0, 0, Combined: 2, CombinedMax: 0));

        Assert.Equal((2, 8), (now.Combined, now.CombinedMax));
        Assert.Equal(Hex($"12 01 0000 {HeaderOfEth0} 0800 0900 02000000"), Sent(2));
        Assert.Equal(4, Kernel.Requests.Count);
    }

    [Fact]
    public void Channels_that_are_there_already_are_not_set()
    {
        Answer(FourOfEightChannels);

        Assert.Equal(4, Ethtool.SetChannels("eth0", new Channels(0, 0, 0, 0, 4, 99)).Combined);
        Assert.Equal(2, Kernel.Requests.Count);
    }

    [Fact]
    public void What_a_driver_refuses_is_told_with_its_own_words()
    {
        Answer(FourOfEightChannels);
        Refuse(22, "requested channel count exceeds maximum");

        EthtoolException e = Assert.Throws<EthtoolException>(() => Ethtool.SetChannels("eth0", new Channels(0, 0, 0, 0, 9, 8)));

        Assert.Equal(("set channels", "eth0", 22, "requested channel count exceeds maximum", PcpuIpsecError.KernelRefused), (e.Operation, e.Interface, e.Errno, e.KernelText, e.Error));
        Assert.Equal("set channels of eth0: Invalid argument (errno 22): requested channel count exceeds maximum", e.Message);
    }

    [Theory]
    [InlineData(95)]
    [InlineData(524)]
    public void What_a_driver_does_not_have_is_null_to_read_and_an_error_of_the_host_to_set(int errno)
    {
        Refuse(errno);
        Assert.Null(Ethtool.Rings("eth0"));

        Refuse(errno);
        EthtoolException e = Assert.Throws<EthtoolException>(() => Ethtool.SetRings("eth0", new Rings(256, 0, 256, 0)));
        Assert.Equal(PcpuIpsecError.HostUnable, e.Error);

        Answer(FourOfEightChannels);
        Refuse(errno);
        e = Assert.Throws<EthtoolException>(() => Ethtool.SetChannels("eth0", new Channels(0, 0, 0, 0, 1, 8)));
        Assert.Equal((PcpuIpsecError.HostUnable, errno), (e.Error, e.Errno));
        Assert.Contains("not supported", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_interface_that_is_not_there_is_a_wrong_option_by_netlink_and_by_ioctl()
    {
        Refuse(19);
        AssertMissing(() => Ethtool.Channels("eth0"));

        Control.On(EthtoolCommand.GetDriver, _ => 19);
        AssertMissing(() => Ethtool.Driver("eth0"));

        static void AssertMissing(Action action)
        {
            PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(action);
            Assert.Equal(PcpuIpsecError.InvalidOption, e.Error);
            Assert.StartsWith("interface = 'eth0': there is no such interface", e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("sixteen-bytes-xx")]
    [InlineData("a\0b")]
    public void A_name_that_no_interface_has_is_not_asked_for(string name)
    {
        Assert.Equal(PcpuIpsecError.InvalidOption, Assert.Throws<PcpuIpsecException>(() => Ethtool.Channels(name)).Error);
        Assert.Equal(PcpuIpsecError.InvalidOption, Assert.Throws<PcpuIpsecException>(() => Ethtool.Driver(name)).Error);
        Assert.Single(Kernel.Requests);
        Assert.Empty(Control.Commands);
    }

    [Fact]
    public void Rings_are_read_and_of_them_only_what_changes_is_set()
    {
        Answer("16 01 0000  0800 0200 00100000  0800 0500 00080000  0800 0600 00010000  0800 0900 00020000");
        Assert.Equal(new Rings(Rx: 256, RxMax: 4096, Tx: 512, TxMax: 2048), Ethtool.Rings("eth0"));
        Assert.Equal(0x0f, Sent(1)[0]);

        Answer("16 01 0000  0800 0200 00100000  0800 0500 00080000  0800 0600 00010000  0800 0900 00020000");
        AnswerAck();
        Answer("16 01 0000  0800 0200 00100000  0800 0500 00080000  0800 0600 00100000  0800 0900 00020000");
        Assert.Equal(4096, Ethtool.SetRings("eth0", new Rings(4096, 0, 512, 0)).Rx);
        Assert.Equal(Hex($"10 01 0000 {HeaderOfEth0} 0800 0600 00100000"), Sent(3));
    }

    [Fact]
    public void Pause_is_read_with_its_counters_and_only_what_changes_is_set()
    {
        const string Before = "16 01 0000  0500 0200 01000000  0500 0300 01000000  0500 0400 01000000  1c00 0580  0c00 0200 0700000000000000  0c00 0300 0900000000000000";
        Answer(Before);
        Pause pause = Ethtool.Pause("eth0")!;
        Assert.Equal(new Pause(Autoneg: true, Rx: true, Tx: true, RxFrames: 9, TxFrames: 7), pause);
        Assert.Equal(Hex("15 01 0000  1800 0180  0900 0200 6574683000000000  0800 0300 04000000"), Sent(1));

        Answer(Before);
        AnswerAck();
        Answer("16 01 0000  0500 0200 01000000  0500 0300 01000000  0500 0400 00000000");
        Assert.Equal(new Pause(true, true, false), Ethtool.SetPause("eth0", pause with { Tx = false, TxFrames = 8 }));
        Assert.Equal(Hex($"16 01 0000 {HeaderOfEth0} 0500 0400 00000000"), Sent(3));

        Answer(Before);
        Assert.Equal(7UL, Ethtool.SetPause("eth0", new Pause(true, true, true)).TxFrames);
        Assert.Equal(6, Kernel.Requests.Count);
    }
}
