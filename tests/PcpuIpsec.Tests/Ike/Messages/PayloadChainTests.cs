using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike.Messages;

public class PayloadChainTests
{
    [Fact]
    public void Nothing_is_a_chain_of_no_payloads()
    {
        Assert.Empty(Wire.Decode(PayloadType.NoNextPayload, []));
        Assert.Empty(Wire.Encode());
    }

    [Fact]
    public void Each_payload_names_the_type_of_the_next()
        => Assert.Equal(
            Wire.Hex("28000008 00004000 2a000014 00000000000000000000000000000000 00000008 01000000"),
            Wire.Encode(new NotifyPayload(NotifyType.INITIAL_CONTACT), new NoncePayload(new byte[16]), new DeletePayload(ProtocolId.IKE, [])));

    [Fact]
    public void Whatever_is_written_reads_the_same()
    {
        PayloadSource source = new(1);
        for (int i = 0; i < 2000; i++)
        {
            Payload[] payloads = source.Chain();
            byte[] chain = Wire.Encode(payloads);
            IReadOnlyList<Payload> read = Wire.Decode(payloads.Length == 0 ? PayloadType.NoNextPayload : payloads[0].Type, chain);
            Assert.Equal(Wire.Describe(payloads), Wire.Describe(read));
            Assert.Equal(chain, Wire.Encode([.. read]));
        }
    }

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void A_chain_has_at_most_64_payloads(int count, bool accepted)
    {
        byte[] chain = Wire.Encode([.. Enumerable.Range(0, count).Select(_ => new NotifyPayload(NotifyType.COOKIE, [1]))]);
        Assert.Equal(accepted, PayloadChain.TryParse(PayloadType.N, chain, out _, out ParseError? error));
        Assert.Equal(accepted ? null : NotifyType.INVALID_SYNTAX, error?.Answer);
    }

    [Fact]
    public void Payloads_that_are_skipped_count_too()
    {
        byte[] chain = [.. Enumerable.Range(0, 65).SelectMany(i => Wire.Hex(i < 64 ? "80000004" : "00000004"))];
        chain[0] = 0x80;
        Assert.Equal(NotifyType.INVALID_SYNTAX, Wire.Refuse((PayloadType)128, chain).Answer);
    }

    [Fact]
    public void An_unknown_critical_payload_is_refused_by_its_type()
    {
        ParseError error = Wire.Refuse(PayloadType.N, Wire.Hex("c8000008 00004000 00800006 abcd"));
        Assert.Equal((NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, (PayloadType)200), (error.Answer, error.Payload));
    }

    [Fact]
    public void An_unknown_payload_that_is_not_critical_is_skipped()
        => Assert.Equal("N INITIAL_CONTACT None  ", Wire.Describe(Wire.Decode((PayloadType)200, Wire.Hex("29000006 abcd 00000008 00004000"))));

    [Fact]
    public void The_reserved_bits_beside_the_critical_one_are_ignored()
        => Assert.Single(Wire.Decode((PayloadType)200, Wire.Hex("297f0006 abcd 007f0008 00004000")));

    [Fact]
    public void The_critical_bit_of_a_known_payload_is_ignored()
        => Assert.Single(Wire.Decode(PayloadType.N, Wire.Hex("00800008 00004000")));

    [Theory]
    [InlineData((byte)PayloadType.CERT)]
    [InlineData((byte)PayloadType.CERTREQ)]
    [InlineData((byte)PayloadType.CP)]
    [InlineData((byte)PayloadType.EAP)]
    public void Known_payloads_that_are_not_interpreted_are_kept(byte number)
    {
        var type = (PayloadType)number;
        OpaquePayload payload = Assert.IsType<OpaquePayload>(Assert.Single(Wire.Decode(type, Wire.Hex("00800006 abcd"))));
        Assert.Equal((type, true, "abcd"), (payload.Type, payload.Critical, Wire.ToHex(payload.Data)));
        Assert.Equal("00800006abcd", Wire.ToHex(Wire.Encode(payload)));
    }

    [Theory]
    [InlineData((byte)PayloadType.SK)]
    [InlineData((byte)PayloadType.SKF)]
    public void An_encrypted_payload_has_no_place_in_a_chain(byte type)
        => Assert.Equal(NotifyType.INVALID_SYNTAX, Wire.Refuse((PayloadType)type, Wire.Hex("00000006 abcd")).Answer);

    [Theory]
    [InlineData((byte)PayloadType.NoNextPayload, "00")] // bytes where no payload is announced
    [InlineData((byte)PayloadType.N, "00000008 00004000 00")] // and behind the last
    [InlineData((byte)PayloadType.N, "29000008 00004000")] // a payload announced that is not there
    [InlineData((byte)PayloadType.N, "00000009 00004000")] // longer than the chain
    [InlineData((byte)PayloadType.N, "00000003 00004000")] // shorter than its header
    [InlineData((byte)PayloadType.N, "00000000 00004000")]
    [InlineData((byte)PayloadType.N, "000000")]
    [InlineData(200, "00000003")]
    public void Lengths_must_add_up(byte first, string hex)
        => Assert.Equal(NotifyType.INVALID_SYNTAX, Wire.Refuse((PayloadType)first, Wire.Hex(hex)).Answer);

    [Fact]
    public void What_can_be_there_once_is_refused_twice()
    {
        NoncePayload nonce = new(new byte[16]);
        ParseError error = Wire.Refuse(PayloadType.Nonce, Wire.Encode(nonce, new NotifyPayload(NotifyType.INITIAL_CONTACT), nonce));
        Assert.Equal((NotifyType.INVALID_SYNTAX, PayloadType.Nonce), (error.Answer, error.Payload));
    }

    [Fact]
    public void No_truncation_and_no_flipped_bit_makes_the_parser_throw()
    {
        PayloadSource source = new(2);
        int refused = 0;
        for (int i = 0; i < 15; i++)
        {
            Payload[] payloads = source.Chain();
            byte[] chain = Wire.Encode(payloads);
            PayloadType first = payloads.Length == 0 ? PayloadType.NoNextPayload : payloads[0].Type;
            for (int length = 0; length < chain.Length; length++)
                refused += Parse(first, chain.AsSpan(0, length)) ? 0 : 1;
            for (int at = 0; at < chain.Length; at++)
            {
                byte original = chain[at];
                foreach (byte flip in new byte[] { 0x01, 0x80, 0xff, (byte)(1 << (at % 8)) })
                {
                    chain[at] = (byte)(original ^ flip);
                    refused += Parse(first, chain) ? 0 : 1;
                }

                chain[at] = original;
            }
        }

        Assert.True(refused > 1000, $"only {refused} refused");
    }

    [Fact]
    public void No_bytes_by_chance_make_the_parser_throw()
    {
        PayloadSource source = new(3);
        for (int type = 0; type < 256; type++)
        {
            for (int i = 0; i < 100; i++)
            {
                byte[] body = source.Bytes(0, 60);
                byte[] chain = [0, 0, 0, (byte)(body.Length + 4), .. body];
                Parse((PayloadType)type, chain);
            }
        }
    }

    private static bool Parse(PayloadType first, ReadOnlySpan<byte> chain)
    {
        bool parsed = PayloadChain.TryParse(first, chain, out IReadOnlyList<Payload> payloads, out ParseError? error);
        Assert.Equal(parsed, error is null);
        if (parsed && payloads.Count > 0 && payloads.All(IsWritable))
            Assert.Equal(Wire.Describe(payloads), Wire.Describe(Wire.Decode(payloads[0].Type, Wire.Encode([.. payloads]))));
        return parsed;
    }

    /// <summary>Not what was left out in reading: unknown attributes, and all selectors where their types were unknown.</summary>
    private static bool IsWritable(Payload payload) => payload switch
    {
        SaPayload sa => !sa.Proposals.Any(proposal => proposal.Transforms.Any(transform => transform.Unusable)),
        TsPayload ts => ts.Selectors.Count > 0,
        _ => true,
    };
}
