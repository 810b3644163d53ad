using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike.Messages;

public class IkeHeaderTests
{
    private const string Header = "0102030405060708 1112131415161718 21 20 22 08 00000005 0000001c";

    [Fact]
    public void Every_field_stands_where_the_RFC_has_it()
    {
        Assert.True(IkeHeader.TryParse(Wire.Hex(Header), out IkeHeader header, out ParseError? error), error?.Text);
        Assert.Equal(new IkeHeader(0x0102030405060708, 0x1112131415161718, PayloadType.SA, 0x20, ExchangeType.IKE_SA_INIT, IkeFlags.Initiator, 5, 28), header);

        byte[] written = new byte[IkeHeader.Size];
        header.Write(written);
        Assert.Equal(Wire.Hex(Header), written);
    }

    [Theory]
    [InlineData(0x00, false, false)]
    [InlineData(0x08, true, false)]
    [InlineData(0x20, false, true)]
    [InlineData(0xff, true, true)] // reserved bits are ignored
    public void Flags_say_who_sent_it_and_whether_it_answers(byte flags, bool fromInitiator, bool isResponse)
    {
        byte[] datagram = Wire.Hex(Header);
        datagram[19] = flags;
        Assert.True(IkeHeader.TryParse(datagram, out IkeHeader header, out _));
        Assert.Equal(fromInitiator, header.FromInitiator);
        Assert.Equal(isResponse, header.IsResponse);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(27)]
    public void A_datagram_shorter_than_a_header_is_dropped(int length)
    {
        Assert.False(IkeHeader.TryParse(Wire.Hex(Header).AsSpan(0, length), out _, out ParseError? error));
        Assert.Null(error.Answer);
    }

    [Theory]
    [InlineData(27)]
    [InlineData(29)]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_length_other_than_the_datagrams_is_dropped(int length)
    {
        byte[] datagram = Wire.Hex(Header);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(datagram.AsSpan(24), length);
        Assert.False(IkeHeader.TryParse(datagram, out _, out ParseError? error));
        Assert.Null(error.Answer);
    }

    [Theory]
    [InlineData(65535, true)]
    [InlineData(65536, false)]
    public void The_longest_message_is_what_a_datagram_holds(int length, bool accepted)
    {
        byte[] datagram = new byte[length];
        Wire.Hex(Header).CopyTo(datagram, 0);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(datagram.AsSpan(24), length);
        Assert.Equal(accepted, IkeHeader.TryParse(datagram, out _, out _));
    }

    [Theory]
    [InlineData(0x30, true)]
    [InlineData(0xf0, true)]
    [InlineData(0x10, false)]
    [InlineData(0x00, false)]
    public void Only_a_higher_major_version_is_answered(byte version, bool answered)
    {
        byte[] datagram = Wire.Hex(Header);
        datagram[17] = version;
        Assert.False(IkeHeader.TryParse(datagram, out IkeHeader header, out ParseError? error));
        Assert.Equal(answered ? NotifyType.INVALID_MAJOR_VERSION : null, error.Answer);
        Assert.Equal(0x0102030405060708ul, header.InitiatorSpi); // known, so that the answer can carry it
    }

    [Fact]
    public void The_minor_version_is_not_looked_at()
    {
        byte[] datagram = Wire.Hex(Header);
        datagram[17] = 0x2f;
        Assert.True(IkeHeader.TryParse(datagram, out _, out _));
    }
}
