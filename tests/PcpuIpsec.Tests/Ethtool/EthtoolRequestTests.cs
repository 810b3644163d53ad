using PcpuIpsec.Ethtool;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Netlink;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Ethtool;

/// <summary>ethtool's generic netlink, byte for byte (little-endian hosts).</summary>
public class EthtoolRequestTests
{
    private const ushort Family = 0x15;

    private readonly FakeKernel _kernel = new();

    [Fact]
    public void The_familys_number_is_asked_for_by_name()
    {
        using EthtoolSocket? ethtool = Open();

        Assert.NotNull(ethtool);
        Assert.Equal(
            Hex("""
                20000000 1000 0500 01000000 00000000   # GENL_ID_CTRL, REQUEST|ACK
                03 01 0000                             # CTRL_CMD_GETFAMILY, version 1
                0c00 0200 657468746f6f6c00             # CTRL_ATTR_FAMILY_NAME "ethtool"
                """),
            _kernel.Requests[0]);
    }

    [Fact]
    public void A_kernel_without_the_family_has_no_socket()
    {
        _kernel.Expect(request => [Ack(request, errno: 2)]);

        Assert.Null(EthtoolSocket.TryOpen(new NetlinkSocket(_kernel)));
    }

    [Fact]
    public void Channels_are_asked_for_by_the_interfaces_name()
    {
        using EthtoolSocket ethtool = Open()!;
        Answer("""
            18 01 0000                                 # ETHTOOL_MSG_CHANNELS_GET_REPLY
            1000 0180  0800 0100 02000000  0400 0300   # header: index 2, and what we do not know
            0800 0200 08000000                         # RX_MAX
            0800 0300 08000000                         # TX_MAX
            0800 0400 01000000                         # OTHER_MAX
            0800 0500 10000000                         # COMBINED_MAX
            0800 0600 01000000                         # RX_COUNT
            0800 0700 02000000                         # TX_COUNT
            0800 0900 04000000                         # COMBINED_COUNT
            """);

        Channels? channels = ethtool.Channels("eth0");

        Assert.Equal(new Channels(Rx: 1, RxMax: 8, Tx: 2, TxMax: 8, Combined: 4, CombinedMax: 16), channels);
        Assert.Equal((5, 24), (channels!.Receiving, channels.ReceivingMax));
        Assert.Equal(
            Hex("""
                24000000 1500 0500 02000000 00000000
                11 01 0000                             # ETHTOOL_MSG_CHANNELS_GET
                1000 0180                              # ETHTOOL_A_CHANNELS_HEADER, nested
                  0900 0200 6574683000000000           # ETHTOOL_A_HEADER_DEV_NAME "eth0"
                """),
            _kernel.Requests[1]);
    }

    [Fact]
    public void Rings_are_read()
    {
        using EthtoolSocket ethtool = Open()!;
        Answer("16 01 0000  0800 0200 00100000  0800 0500 00080000  0800 0600 00010000  0800 0900 00020000");

        Assert.Equal(new Rings(Rx: 256, RxMax: 4096, Tx: 512, TxMax: 2048), ethtool.Rings("eth0"));
        Assert.Equal(0x0f, _kernel.Requests[1][NetlinkHeader.Size]);
    }

    [Fact]
    public void A_feature_is_set_where_it_has_a_value_or_where_only_those_that_are_set_are_told()
    {
        using EthtoolSocket ethtool = Open()!;
        Answer(
        [
            .. Hex("0b 01 0000"), // ETHTOOL_MSG_FEATURES_GET_REPLY
            .. Nest(EthtoolAttribute.FeaturesHw, Attribute(2, 64, 0, 0, 0), Nest(EthtoolAttribute.BitsetBits, Bit("rx-gro", hasValue: true), Bit("tx-lockless", hasValue: false))),
            .. Nest(EthtoolAttribute.FeaturesActive, Attribute(EthtoolAttribute.BitsetNoMask), Nest(EthtoolAttribute.BitsetBits, Bit("esp-hw-offload", hasValue: false))),
        ]);

        Features features = ethtool.Features("eth0")!;

        Assert.Equal(["rx-gro"], features.Changeable);
        Assert.Equal(["esp-hw-offload"], features.Active);
        Assert.Equal(0x0b, _kernel.Requests[1][NetlinkHeader.Size]);
    }

    [Fact]
    public void What_a_driver_does_not_know_is_null_and_an_interface_that_is_not_there_is_an_error()
    {
        using EthtoolSocket ethtool = Open()!;
        _kernel.Expect(request => [Ack(request, errno: 95)]);
        Assert.Null(ethtool.Rings("lo"));

        _kernel.Expect(request => [Ack(request, errno: 19)]);
        Assert.Equal(19, Assert.Throws<NetlinkException>(() => ethtool.Channels("none")).Errno);
    }

    private EthtoolSocket? Open()
    {
        _kernel.Expect(request =>
        [
            new Answer(Message(request, GenericControl.Family, NetlinkFlags.None, Hex("01 02 0000  0c00 0200 657468746f6f6c00  0600 0100 1500 0000"))),
            Ack(request),
        ]);
        return EthtoolSocket.TryOpen(new NetlinkSocket(_kernel));
    }

    private void Answer(string hex) => Answer(Hex(hex));

    private void Answer(byte[] payload) => _kernel.Expect(request => [new Answer(Message(request, Family, NetlinkFlags.None, payload)), Ack(request)]);

    private static byte[] Nest(ushort type, params byte[][] attributes) => Attribute((ushort)(type | 0x8000), [.. attributes.SelectMany(a => a)]);

    private static byte[] Bit(string name, bool hasValue)
        => Nest(EthtoolAttribute.BitsetBitsBit, Attribute(1, 7, 0, 0, 0), Attribute(EthtoolAttribute.BitName, [.. System.Text.Encoding.ASCII.GetBytes(name), 0]), hasValue ? Attribute(EthtoolAttribute.BitValue) : []);
}
