using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Messages;

/// <summary>Each payload against bytes written by hand from the RFC's field tables.</summary>
public class PayloadTests
{
    private static void AssertWire(Payload payload, string hex)
    {
        Assert.Equal(Wire.ToHex(Wire.Hex(hex)), Wire.ToHex(Wire.Encode(payload)));
        Assert.Equal(Wire.Describe([payload]), Wire.Describe(Wire.Decode(payload.Type, Wire.Hex(hex))));
    }

    [Fact]
    public void An_empty_SA_RESOURCE_INFO_is_the_eight_bytes_that_strongSwan_sends()
        => AssertWire(new NotifyPayload(NotifyType.SA_RESOURCE_INFO), "00 00 00 08 00 00 40 3c");

    [Fact]
    public void SA_RESOURCE_INFO_carries_an_opaque_identifier()
        => AssertWire(new NotifyPayload(NotifyType.SA_RESOURCE_INFO, [0, 0, 0, 3]), "0000000c 0000403c 00000003");

    [Theory]
    [InlineData("0000000c 0304403c 00000003", "00000003")]
    [InlineData("0000000a 01ff403c 0003", "0003")]
    public void Protocol_and_SPI_size_of_SA_RESOURCE_INFO_are_not_looked_at(string hex, string identifier)
    {
        NotifyPayload notify = Assert.IsType<NotifyPayload>(Assert.Single(Wire.Decode(PayloadType.N, Wire.Hex(hex))));
        Assert.Equal((ProtocolId.None, 0, identifier), (notify.Protocol, notify.Spi.Length, Wire.ToHex(notify.Data)));
    }

    [Fact]
    public void TS_MAX_QUEUE_is_an_error_of_number_48()
    {
        NotifyPayload notify = new(NotifyType.TS_MAX_QUEUE);
        AssertWire(notify, "00000008 00000030");
        Assert.True(notify.IsError);
        Assert.False(new NotifyPayload(NotifyType.INITIAL_CONTACT).IsError);
    }

    [Fact]
    public void REKEY_SA_names_the_SPI_of_the_Child_SA()
        => AssertWire(new NotifyPayload(NotifyType.REKEY_SA, ProtocolId.ESP, [0xc1, 0xc2, 0xc3, 0xc4], []), "0000000c 03044009 c1c2c3c4");

    [Fact]
    public void The_protocol_of_a_notify_without_SPI_is_ignored()
        => Assert.Equal("N NO_PROPOSAL_CHOSEN None  ", Wire.Describe(Wire.Decode(PayloadType.N, Wire.Hex("00000008 0100000e"))));

    [Theory]
    [InlineData("00000008 00004009")] // REKEY_SA without SPI
    [InlineData("0000000c 01044009 c1c2c3c4")] // REKEY_SA of the IKE SA
    [InlineData("00000010 03084009 c1c2c3c4c5c6c7c8")] // an ESP SPI of 8 bytes
    [InlineData("0000000b 03034009 c1c2c3")] // and of 3
    [InlineData("0000000a 0304400900 00")] // an SPI that is not there in full
    [InlineData("00000009 00000011 1f")] // INVALID_KE_PAYLOAD with 1 byte
    [InlineData("0000000b 00004001 000001")] // SET_WINDOW_SIZE with 3 bytes
    [InlineData("00000008 00004006")] // an empty COOKIE
    [InlineData("0000000a 00004004 0102")] // NAT_DETECTION_SOURCE_IP that is no SHA-1
    [InlineData("00000007 000040")]
    public void A_malformed_notify_is_refused(string hex)
        => Assert.Equal(NotifyType.INVALID_SYNTAX, Wire.Refuse(PayloadType.N, Wire.Hex(hex)).Answer);

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void A_cookie_has_at_most_64_bytes(int length, bool accepted)
        => Assert.Equal(accepted, PayloadChain.TryParse(PayloadType.N, Wire.Encode(new NotifyPayload(NotifyType.COOKIE, new byte[length])), out _, out _));

    [Fact]
    public void An_SA_payload_nests_proposals_and_transforms() => AssertWire(
        new SaPayload(
        [
            new Proposal(1, ProtocolId.ESP, [0xc1, 0xc2, 0xc3, 0xc4], [new(TransformType.ENCR, 20, 128), new(TransformType.ESN, 0)]),
            new Proposal(2, ProtocolId.IKE, [], [new(TransformType.KE, 31)]),
        ]),
        """
        00000034
        02000020 01030402 c1c2c3c4 0300000c 01000014 800e0080 00000008 05000000
        00000010 02010001 00000008 0400001f
        """);

    [Fact]
    public void A_KE_payload_holds_method_and_value()
        => AssertWire(new KePayload(KeyExchangeMethod.CURVE25519, [1, 2, 3]), "0000000b 001f0000 010203");

    [Fact]
    public void An_ID_payload_holds_type_and_data()
    {
        IdPayload payload = new(PayloadType.IDr, new IkeIdentity(IdType.ID_FQDN, "east"u8.ToArray()));
        AssertWire(payload, "0000000c 02000000 65617374");
    }

    [Fact]
    public void An_AUTH_payload_holds_method_and_data()
        => AssertWire(new AuthPayload(AuthMethod.Shared_Key_Message_Integrity_Code, [9, 8]), "0000000a 02000000 0908");

    [Fact]
    public void A_Delete_of_ESP_holds_four_bytes_an_SPI()
        => AssertWire(new DeletePayload(ProtocolId.ESP, [0xc1c2c3c4, 0x100]), "00000010 03040002 c1c2c3c4 00000100");

    [Fact]
    public void A_Delete_of_IKE_holds_none()
        => AssertWire(new DeletePayload(ProtocolId.IKE, []), "00000008 01000000");

    [Theory]
    [InlineData("0000000c 03040002 c1c2c3c4")] // fewer than announced
    [InlineData("00000010 03040001 c1c2c3c4 c1c2c3c4")] // more than announced
    [InlineData("00000010 03080001 c1c2c3c4c1c2c3c4")] // SPIs of 8 bytes
    [InlineData("0000000c 01040001 c1c2c3c4")] // IKE with an SPI
    [InlineData("00000008 01000001")]
    [InlineData("00000008 01080000")]
    [InlineData("0000000c 05040001 c1c2c3c4")] // an unknown protocol
    [InlineData("00000007 030400")]
    public void A_malformed_Delete_is_refused(string hex)
        => Assert.Equal(NotifyType.INVALID_SYNTAX, Wire.Refuse(PayloadType.D, Wire.Hex(hex)).Answer);

    [Theory]
    [InlineData(15, false)]
    [InlineData(16, true)]
    [InlineData(256, true)]
    [InlineData(257, false)]
    public void A_nonce_has_16_to_256_bytes(int length, bool accepted)
        => Assert.Equal(accepted, PayloadChain.TryParse(PayloadType.Nonce, Wire.Encode(new NoncePayload(new byte[length])), out _, out _));

    [Theory]
    [InlineData((byte)PayloadType.KE, "00000008 001f0000")] // no value
    [InlineData((byte)PayloadType.KE, "00000006 001f")]
    [InlineData((byte)PayloadType.AUTH, "00000008 02000000")]
    [InlineData((byte)PayloadType.IDi, "00000008 02000000")]
    [InlineData((byte)PayloadType.IDi, "0000000b 01000000 0a0000")] // an IPv4 address of 3 bytes
    [InlineData((byte)PayloadType.IDr, "0000000c 05000000 0a000001")] // an IPv6 address of 4
    public void Payloads_without_what_they_are_for_are_refused(byte number, string hex)
    {
        var type = (PayloadType)number;
        ParseError error = Wire.Refuse(type, Wire.Hex(hex));
        Assert.Equal((NotifyType.INVALID_SYNTAX, type), (error.Answer, error.Payload));
    }

    [Fact]
    public void A_TS_payload_holds_both_families() => AssertWire(
        new TsPayload(PayloadType.TSi, [TrafficSelector.Parse("10.1.0.0/24[tcp/80-443]"), TrafficSelector.Parse("2001:db8::1")]),
        """
        0000 0040 02000000
        07060010 005001bb 0a010000 0a0100ff
        08000028 0000ffff 20010db8000000000000000000000001 20010db8000000000000000000000001
        """);

    [Fact]
    public void A_selector_of_an_unknown_type_is_passed_over()
    {
        byte[] chain = Wire.Hex("00000020 02000000 0a000008 deadbeef 07000010 0000ffff 0a010000 0a0100ff");
        TsPayload ts = Assert.IsType<TsPayload>(Assert.Single(Wire.Decode(PayloadType.TSr, chain)));
        Assert.Equal([TrafficSelector.Parse("10.1.0.0/24")], ts.Selectors);
    }

    [Fact]
    public void Selectors_of_unknown_types_alone_leave_none()
        => Assert.Empty(Assert.IsType<TsPayload>(Wire.Decode(PayloadType.TSi, Wire.Hex("0000000c 01000000 09000004"))[0]).Selectors);

    [Theory]
    [InlineData("00000008 00000000")] // none
    [InlineData("00000018 02000000 07000010 0000ffff 0a010000 0a0100ff")] // one fewer than announced
    [InlineData("00000028 01000000 07000010 0000ffff 0a010000 0a0100ff 07000010 0000ffff 0a010000 0a0100ff")] // one more
    [InlineData("00000018 01000000 07000010 0000ffff 0a0100ff 0a010000")] // addresses the wrong way round
    [InlineData("00000018 01000000 07000010 0000ffff 0a010001 0a010000")]
    [InlineData("00000018 01000000 07060010 01bb0050 0a010000 0a0100ff")] // ports the wrong way round
    [InlineData("00000018 01000000 08000010 0000ffff 0a010000 0a0100ff")] // IPv6 in 16 bytes
    [InlineData("0000001c 01000000 07000014 0000ffff 0a010000 0a0100ff 00000000")] // IPv4 in 20
    [InlineData("00000018 01000000 07000003 0000ffff 0a010000 0a0100ff")] // shorter than its own header
    [InlineData("0000000c 01000000 09000003")]
    public void Malformed_selectors_are_refused(string hex)
        => Assert.Equal(NotifyType.INVALID_SYNTAX, Wire.Refuse(PayloadType.TSi, Wire.Hex(hex)).Answer);

    [Fact]
    public void OPAQUE_ports_are_no_range_the_wrong_way_round()
        => AssertWire(new TsPayload(PayloadType.TSi, [TrafficSelector.Parse("10.0.0.1[udp/opaque]")]), "00000018 01000000 07110010 ffff0000 0a000001 0a000001");
}
