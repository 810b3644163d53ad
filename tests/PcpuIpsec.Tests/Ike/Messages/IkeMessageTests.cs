using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike.Messages;

public class IkeMessageTests
{
    private const ulong SpiI = 0xa1a2a3a4a5a6a7a8;
    private const ulong SpiR = 0xb1b2b3b4b5b6b7b8;
    private static readonly byte[] _salt = [1, 2, 3, 4];

    public static TheoryData<string> Ciphers => ["gcm", "cbc"];

    private static PacketCipher Cipher(string name) => name == "gcm"
        ? new TestGcm(new byte[16], _salt)
        : new TestCbc(new byte[32], new byte[32]);

    private static byte[] Protect(PacketCipher cipher, params Payload[] payloads)
    {
        byte[] iv = [.. Enumerable.Range(1, cipher.IvLength).Select(i => (byte)i)];
        return IkeMessage.BuildProtected(SpiI, SpiR, ExchangeType.INFORMATIONAL, IkeFlags.Response, 9, payloads, cipher, iv);
    }

    private static bool Open(byte[] datagram, PacketCipher cipher, out IReadOnlyList<Payload> inner, out ParseError? error)
    {
        inner = [];
        return IkeHeader.TryParse(datagram, out IkeHeader header, out error) && IkeMessage.TryOpen(datagram, header, cipher, out inner, out error);
    }

    [Fact]
    public void A_message_in_clear_is_header_and_chain()
    {
        byte[] message = IkeMessage.BuildClear(SpiI, 0, ExchangeType.IKE_SA_INIT, IkeFlags.Initiator, 0, [new NotifyPayload(NotifyType.COOKIE, [7])]);
        Assert.Equal(Wire.Hex("a1a2a3a4a5a6a7a8 0000000000000000 29202208 00000000 00000025 00000009 00004006 07"), message);

        Assert.True(IkeMessage.TryParseClear(message, out IkeHeader header, out IReadOnlyList<Payload> payloads, out ParseError? error), error?.Text);
        Assert.Equal((SpiI, ExchangeType.IKE_SA_INIT), (header.InitiatorSpi, header.Exchange));
        Assert.Equal("N COOKIE None  07", Wire.Describe(payloads));
    }

    [Fact]
    public void An_error_in_the_chain_of_a_clear_message_still_gives_the_header()
    {
        byte[] message = IkeMessage.BuildClear(SpiI, 0, ExchangeType.IKE_SA_INIT, IkeFlags.Initiator, 0, [new OpaquePayload((PayloadType)200, true, [])]);
        Assert.False(IkeMessage.TryParseClear(message, out IkeHeader header, out _, out ParseError? error));
        Assert.Equal((SpiI, NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD), (header.InitiatorSpi, error.Answer));
    }

    [Fact]
    public void The_SK_payload_stands_as_RFC_5282_has_it()
    {
        using TestGcm cipher = new(new byte[16], _salt);
        byte[] message = Protect(cipher, new NotifyPayload(NotifyType.TS_MAX_QUEUE));

        // Header, SK's generic header naming N, IV; then text of 8 + pad length, then the ICV.
        Assert.Equal(Wire.Hex("a1a2a3a4a5a6a7a8 b1b2b3b4b5b6b7b8 2e202520 00000009 00000041 29000025 0102030405060708"), message[..40]);
        Assert.Equal(28 + 4 + 8 + 9 + 16, message.Length);

        using System.Security.Cryptography.AesGcm judge = new(new byte[16], 16);
        byte[] text = new byte[9];
        judge.Decrypt([.. _salt, .. message[32..40]], message.AsSpan(40, 9), message.AsSpan(49), text, message.AsSpan(0, 32));
        Assert.Equal(Wire.Hex("00000008 00000030 00"), text);
    }

    [Theory]
    [MemberData(nameof(Ciphers))]
    public void What_is_sealed_opens_and_the_datagram_stays_as_it_was(string name)
    {
        using PacketCipher cipher = Cipher(name);
        PayloadSource source = new(4);
        for (int i = 0; i < 200; i++)
        {
            Payload[] payloads = source.Chain();
            byte[] datagram = Protect(cipher, payloads);
            byte[] before = [.. datagram];

            Assert.True(Open(datagram, cipher, out IReadOnlyList<Payload> inner, out ParseError? error), error?.Text);
            Assert.Equal(Wire.Describe(payloads), Wire.Describe(inner));
            Assert.Equal(before, datagram);
        }
    }

    [Theory]
    [InlineData("cbc", 0, 15)] // pad length alone in a block
    [InlineData("cbc", 7, 0)] // 4 + 4 + 7 bytes of payload and the pad length fill the block
    [InlineData("cbc", 8, 15)]
    [InlineData("gcm", 8, 0)]
    public void Text_is_padded_to_whole_blocks(string name, int cookie, int padding)
    {
        using PacketCipher cipher = Cipher(name);
        Payload[] payloads = cookie == 0 ? [] : [new NotifyPayload(NotifyType.COOKIE, new byte[cookie])];
        byte[] datagram = Protect(cipher, payloads);
        int chain = PayloadChain.Length(payloads);
        Assert.Equal(32 + cipher.IvLength + chain + padding + 1 + cipher.IcvLength, datagram.Length);
        Assert.True(Open(datagram, cipher, out _, out _));
    }

    [Theory]
    [MemberData(nameof(Ciphers))]
    public void Every_flipped_byte_and_every_truncation_is_not_authentic_and_wants_no_answer(string name)
    {
        using PacketCipher cipher = Cipher(name);
        byte[] datagram = Protect(cipher, new NotifyPayload(NotifyType.SA_RESOURCE_INFO, [1, 2, 3, 4]), new DeletePayload(ProtocolId.ESP, [0x1234]));
        for (int at = 0; at < datagram.Length; at++)
        {
            datagram[at] ^= 0x01;
            Assert.False(Open(datagram, cipher, out IReadOnlyList<Payload> inner, out ParseError? error), $"byte {at}");
            Assert.Empty(inner);
            Assert.Null(error!.Answer);
            datagram[at] ^= 0x01;
        }

        for (int length = 0; length < datagram.Length; length++)
        {
            byte[] cut = datagram[..length];
            if (length >= IkeHeader.Size)
                System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(cut.AsSpan(24), length);
            Assert.False(Open(cut, cipher, out _, out ParseError? error), $"length {length}");
            Assert.Null(error!.Answer);
        }
    }

    [Fact]
    public void A_wrong_key_is_told_from_a_malformed_message()
    {
        using TestGcm cipher = new(new byte[16], _salt);
        using TestGcm other = new(new byte[16], [9, 9, 9, 9]);
        Assert.False(Open(Protect(cipher), other, out _, out ParseError? error));
        Assert.Same(ParseError.NotAuthentic, error);
    }

    [Fact]
    public void An_authentic_message_that_is_malformed_wants_INVALID_SYNTAX()
    {
        using TestGcm cipher = new(new byte[16], _salt);
        Assert.False(Open(Protect(cipher, new NoncePayload(new byte[3])), cipher, out _, out ParseError? error));
        Assert.Equal((NotifyType.INVALID_SYNTAX, PayloadType.Nonce), (error!.Answer, error.Payload));
    }

    [Fact]
    public void An_authentic_message_with_an_unknown_critical_payload_wants_its_type_named()
    {
        using TestGcm cipher = new(new byte[16], _salt);
        Assert.False(Open(Protect(cipher, new OpaquePayload((PayloadType)99, true, [])), cipher, out _, out ParseError? error));
        Assert.Equal((NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, (PayloadType)99), (error!.Answer, error.Payload));
    }

    [Theory]
    [InlineData(8, true)] // the text is padding and pad length alone
    [InlineData(9, false)] // one more than there is
    [InlineData(255, false)]
    public void The_pad_length_must_lie_inside_the_text(byte padLength, bool accepted)
    {
        using TestGcm cipher = new(new byte[16], _salt);
        byte[] text = [1, 2, 3, 4, 5, 6, 7, 8, padLength];
        byte[] datagram = Seal(cipher, PayloadType.NoNextPayload, text);
        Assert.Equal(accepted, Open(datagram, cipher, out IReadOnlyList<Payload> inner, out ParseError? error));
        Assert.Empty(inner);
        Assert.Equal(accepted ? null : NotifyType.INVALID_SYNTAX, error?.Answer);
    }

    [Fact]
    public void Padding_of_any_content_and_length_is_taken()
    {
        using TestGcm cipher = new(new byte[16], _salt);
        byte[] datagram = Seal(cipher, PayloadType.N, [.. Wire.Hex("00000008 00000030"), .. Enumerable.Repeat((byte)0xee, 255), 255]);
        Assert.True(Open(datagram, cipher, out IReadOnlyList<Payload> inner, out ParseError? error), error?.Text);
        Assert.Equal("N TS_MAX_QUEUE None  ", Wire.Describe(inner));
    }

    [Fact]
    public void Clear_payloads_before_SK_are_refused_before_anything_is_decrypted()
    {
        using TestGcm cipher = new(new byte[16], _salt);
        byte[] protectedMessage = Protect(cipher);
        byte[] sk = protectedMessage[28..];
        byte[] datagram = [.. protectedMessage[..28], 46, 0, 0, 8, 0, 0, 0x40, 0, .. sk];
        datagram[16] = (byte)PayloadType.N;
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(datagram.AsSpan(24), datagram.Length);
        Assert.False(Open(datagram, cipher, out _, out ParseError? error));
        Assert.Equal((null, PayloadType.N), (error!.Answer, error.Payload));
    }

    [Fact]
    public void Bytes_behind_SK_are_refused()
    {
        using TestGcm cipher = new(new byte[16], _salt);
        byte[] datagram = [.. Protect(cipher), 0, 0, 0, 4];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(datagram.AsSpan(24), datagram.Length);
        Assert.False(Open(datagram, cipher, out _, out ParseError? error));
        Assert.NotSame(ParseError.NotAuthentic, error);
    }

    [Fact]
    public void An_IV_of_the_wrong_length_is_a_mistake_of_the_caller()
    {
        using TestGcm cipher = new(new byte[16], _salt);
        Assert.Throws<ArgumentException>(() => IkeMessage.BuildProtected(1, 2, ExchangeType.INFORMATIONAL, IkeFlags.None, 0, [], cipher, new byte[7]));
    }

    [Fact]
    public void A_message_that_no_datagram_holds_is_not_built()
    {
        Payload[] payloads = [new VendorIdPayload(new byte[40000]), new VendorIdPayload(new byte[30000])];
        PcpuIpsecException exception = Assert.Throws<PcpuIpsecException>(() => IkeMessage.BuildClear(1, 2, ExchangeType.IKE_SA_INIT, IkeFlags.None, 0, payloads));
        Assert.Equal(PcpuIpsecError.InvalidOption, exception.Error);
    }

    /// <summary>An SK payload around a text as it is given.</summary>
    private static byte[] Seal(TestGcm cipher, PayloadType first, byte[] text)
    {
        int length = 32 + 8 + text.Length + 16;
        byte[] message = new byte[length];
        new IkeHeader(SpiI, SpiR, PayloadType.SK, 0x20, ExchangeType.INFORMATIONAL, IkeFlags.None, 1, (uint)length).Write(message);
        message[28] = (byte)first;
        System.Buffers.Binary.BinaryPrimitives.WriteInt16BigEndian(message.AsSpan(30), (short)(length - 28));
        text.CopyTo(message, 40);
        cipher.Seal(message.AsSpan(0, 32), message.AsSpan(32, 8), message.AsSpan(40, text.Length), [], message.AsSpan(length - 16));
        return message;
    }
}
