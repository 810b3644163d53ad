using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Messages;

public class SaPayloadTests
{
    private static readonly Transform _gcm128 = new(TransformType.ENCR, 20, 128);

    private static Proposal DecodeOne(string hex)
        => Assert.Single(Assert.IsType<SaPayload>(Assert.Single(Wire.Decode(PayloadType.SA, Wire.Hex(hex)))).Proposals);

    [Theory]
    [InlineData("800f0001")] // an unknown attribute in TV form
    [InlineData("000f0002 abcd")] // and in TLV form
    [InlineData("000f0000")] // and empty
    [InlineData("800e0100")] // a second key length
    public void An_unknown_attribute_makes_the_transform_unusable_and_no_more(string attribute)
    {
        int length = Wire.Hex(attribute).Length;
        string hex = $"0000{0x1c + 8 + length:x4} 0000{0x18 + 8 + length:x4} 01010002 0300{0x0c + length:x4} 01000014 800e0080 {attribute} 0000000c 0100000c 800e0100";
        Proposal proposal = DecodeOne(hex);
        Assert.Equal([_gcm128 with { Unusable = true }, new Transform(TransformType.ENCR, 12, 256)], proposal.Transforms);
    }

    [Fact]
    public void Unknown_transform_types_and_ids_survive()
        => Assert.Equal([new Transform((TransformType)241, 0xfedc)], DecodeOne("00000014 00000010 01010001 00000008 f100fedc").Transforms);

    [Fact]
    public void A_proposal_of_an_unknown_protocol_is_only_passed_over()
        => Assert.Equal((ProtocolId)9, DecodeOne("00000016 00000012 01090201 abcd 00000008 01000014").Protocol);

    [Theory]
    [InlineData("00000014 00000010 01010000 00000008 01000014")] // no transform announced
    [InlineData("0000000c 00000008 01010000")] // and none there
    [InlineData("00000014 00000010 01010002 00000008 01000014")] // one of two there
    [InlineData("0000001c 00000018 01010001 03000008 01000014 00000008 01000014")] // two, one announced
    [InlineData("0000001c 00000018 01010002 00000008 01000014 00000008 01000014")] // the mark of the last too early
    [InlineData("00000014 00000010 01010001 03000008 01000014")] // and missing
    [InlineData("00000014 00000010 01010001 01000008 01000014")] // and none of the two values
    [InlineData("00000014 02000010 01010001 00000008 01000014")] // another proposal announced
    [InlineData("00000014 01000010 01010001 00000008 01000014")] // a mark of the last proposal that is no mark
    [InlineData("00000024 00000010 01010001 00000008 01000014 00000010 02010001 00000008 01000014")] // a proposal behind the last
    [InlineData("00000024 02000010 01010001 00000008 01000014 00000010 01010001 00000008 01000014")] // the number twice
    [InlineData("00000014 00000010 00010001 00000008 01000014")] // number 0
    [InlineData("00000014 0000000f 01010001 00000008 01000014")] // a proposal that cuts its transform
    [InlineData("00000014 00000011 01010001 00000008 01000014")] // one that is longer than the payload
    [InlineData("00000014 00000003 01010001 00000008 01000014")] // one that is shorter than its header
    [InlineData("00000014 00000010 01010001 00000007 01000014")] // transforms the same
    [InlineData("00000014 00000010 01010001 00000009 01000014")]
    [InlineData("00000018 00000014 01010001 0000000c 01000014 000e0080")] // a key length in TLV form
    [InlineData("00000018 00000014 01010001 0000000c 01000014 000f0001")] // an attribute that is not there in full
    [InlineData("00000016 00000012 01010001 0000000a 01000014 800e")] // half an attribute
    [InlineData("00000018 00000014 01010401 c1c2c3c4 00000008 01000014")] // IKE with an SPI of 4
    [InlineData("0000001c 00000018 01030801 c1c2c3c4c5c6c7c8 00000008 01000014")] // ESP with one of 8
    [InlineData("00000014 00000010 01030001 00000008 01000014")] // and without
    [InlineData("00000018 00000014 01030401 000000ff 00000008 01000014")] // a reserved SPI
    [InlineData("00000004")]
    public void Wrong_counts_lengths_and_marks_are_refused(string hex)
    {
        ParseError error = Wire.Refuse(PayloadType.SA, Wire.Hex(hex));
        Assert.Equal((NotifyType.INVALID_SYNTAX, PayloadType.SA), (error.Answer, error.Payload));
    }

    [Fact]
    public void The_first_SPI_that_is_not_reserved_is_taken()
        => Assert.Equal([0, 0, 1, 0], DecodeOne("00000018 00000014 01030401 00000100 00000008 01000014").Spi);

    [Fact]
    public void An_answer_may_hold_any_number()
        => Assert.Equal(7, DecodeOne("00000014 00000010 07010001 00000008 01000014").Number);
}
