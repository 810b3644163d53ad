using System.Net;
using System.Text;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Netlink;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>What goes to the kernel, byte for byte (little-endian hosts).</summary>
public class XfrmRequestTests
{
    private const string NoLimits = "ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff 0000000000000000 0000000000000000 0000000000000000 0000000000000000";

    private static readonly byte[] _gcmKey = [.. Enumerable.Range(1, 20).Select(i => (byte)i)];

    private readonly FakeKernel _kernel = new();
    private readonly XfrmSocket _xfrm;

    public XfrmRequestTests() => _xfrm = new XfrmSocket(new NetlinkSocket(_kernel, clearAnswers: true));

    internal static ChosenSuite Gcm { get; } = new(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, Esn: true);

    internal static XfrmState Outbound { get; } = new()
    {
        Source = IPAddress.Parse("192.0.2.1"),
        Destination = IPAddress.Parse("192.0.2.2"),
        Spi = 0xc0ffee01,
        Mode = XfrmMode.Tunnel,
        RequestId = 7,
        Direction = XfrmSaDirection.Out,
        Flags = XfrmStateFlags.AfUnspec,
    };

    [Fact]
    public void An_outbound_state_for_a_CPU_has_direction_CPU_and_no_replay_window()
    {
        _xfrm.AddState(Outbound with { Cpu = 3 }, Gcm, _gcmKey, []);

        Sent($"""
            60010000 1000 0500 01000000 00000000                   # XFRM_MSG_NEWSA, REQUEST|ACK
            {Zeroes(56)}                                            # sel: any
            c0000202 {Zeroes(12)} c0ffee01 32 000000                # id: daddr, spi, ESP
            c0000201 {Zeroes(12)}                                   # saddr
            {NoLimits}
            {Zeroes(32)}                                            # curlft
            {Zeroes(12)} 00000000 07000000                          # stats, seq, reqid
            0200 01 00 20 00000000000000                            # family, TUNNEL, replay_window, AF_UNSPEC, padding
            6000 1200 {Name("rfc4106(gcm(aes))")} a0000000 80000000 # XFRMA_ALG_AEAD: 160 bits of key, 128 of ICV
              0102030405060708090a0b0c0d0e0f1011121314
            0500 2100 02000000                                      # XFRMA_SA_DIR out
            0800 2300 03000000                                      # XFRMA_SA_PCPU 3
            """);
    }

    [Fact]
    public void ESN_inbound_has_a_bitmap_of_the_windows_size()
    {
        XfrmState inbound = Outbound with { Direction = XfrmSaDirection.In, Flags = XfrmStateFlags.Esn, ReplayWindow = 128 };
        _xfrm.UpdateState(inbound, Gcm, _gcmKey, []);

        Assert.Equal(XfrmMessageType.UpdSa, Type());
        Assert.Equal(Hex($"04000000 {Zeroes(16)} 80000000 {Zeroes(16)}"), Attribute(XfrmAttribute.ReplayEsnVal));
        Assert.Equal([1], Attribute(XfrmAttribute.SaDir));
        Assert.Equal((0, 0x80), (Request[16 + 215], Request[16 + 216])); // xfrm_usersa_info.replay_window, flags
    }

    [Fact]
    public void ESN_outbound_has_an_empty_window()
    {
        _xfrm.AddState(Outbound with { Flags = XfrmStateFlags.Esn }, Gcm, _gcmKey, []);
        Assert.Equal(new byte[24], Attribute(XfrmAttribute.ReplayEsnVal));
    }

    [Fact]
    public void A_small_window_without_ESN_goes_the_old_way()
    {
        _xfrm.AddState(Outbound with { Direction = null, ReplayWindow = 32 }, Gcm, _gcmKey, []);
        Assert.Equal(32, Request[16 + 215]);
        Assert.Null(Find(XfrmAttribute.ReplayEsnVal));
        Assert.Null(Find(XfrmAttribute.SaDir));
    }

    [Theory]
    [InlineData("hmac(sha256)", IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, 32, 128)]
    [InlineData("hmac(sha384)", IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192, 48, 192)]
    [InlineData("hmac(sha512)", IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256, 64, 256)]
    internal void CBC_has_its_HMAC_beside_it_with_the_truncation_of_RFC_4868(string name, IntegrityAlgorithm integrity, int keyLength, uint truncated)
    {
        byte[] encryption = [.. Enumerable.Repeat((byte)0xee, 32)], authentication = [.. Enumerable.Repeat((byte)0xaa, keyLength)];
        _xfrm.AddState(Outbound, new ChosenSuite(EncryptionAlgorithm.ENCR_AES_CBC, 256, integrity, null, KeyExchangeMethod.NONE, false), encryption, authentication);

        Assert.Equal([.. Hex(Name(name)), .. BitConverter.GetBytes(keyLength * 8), .. BitConverter.GetBytes(truncated), .. authentication], Attribute(XfrmAttribute.AlgAuthTrunc));
        Assert.Equal([.. Hex(Name("cbc(aes)")), .. BitConverter.GetBytes(256), .. encryption], Attribute(XfrmAttribute.AlgCrypt));
    }

    [Fact]
    public void ChaCha20_and_NULL_have_the_kernels_names()
    {
        _xfrm.AddState(Outbound, new ChosenSuite(EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 256, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, false), new byte[36], []);
        Assert.Equal(Hex(Name("rfc7539esp(chacha20,poly1305)")), Attribute(XfrmAttribute.AlgAead)[..64]);
        _xfrm.AddState(Outbound, new ChosenSuite(EncryptionAlgorithm.ENCR_NULL, 0, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, null, KeyExchangeMethod.NONE, false), [], new byte[32]);
        Assert.Equal(Hex(Name("ecb(cipher_null)") + "00000000"), Attribute(XfrmAttribute.AlgCrypt));
    }

    [Fact]
    public void A_key_of_the_wrong_length_never_reaches_the_kernel_nor_the_error()
    {
        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => _xfrm.AddState(Outbound, Gcm, _gcmKey.AsSpan(0, 16), []));
        Assert.Contains("16 bytes were given, 20 are needed", e.Message);
        Assert.Empty(_kernel.Requests);
    }

    [Fact]
    public void All_that_a_state_may_carry_is_written_in_the_kernels_encoding()
    {
        _xfrm.AddState(Outbound with
        {
            Encapsulation = new XfrmEncapsulation(4500, 4501),
            Mark = new XfrmMark(0x10, 0xf0),
            ExtraFlags = XfrmExtraFlags.DontEncapDscp,
            Offload = new XfrmOffload(5, Packet: true),
            OutputMark = new XfrmMark(0x42, 0xff),
            InterfaceId = 9,
            NatKeepaliveInterval = 20,
        }, Gcm, _gcmKey, []);

        Assert.Equal(Hex($"0200 1194 1195 0000 {Zeroes(16)}"), Attribute(XfrmAttribute.Encap));
        Assert.Equal(Hex("10000000 f0000000"), Attribute(XfrmAttribute.Mark));
        Assert.Equal(Hex("01000000"), Attribute(XfrmAttribute.SaExtraFlags));
        Assert.Equal(Hex("05000000 04 000000"), Attribute(XfrmAttribute.OffloadDev));
        Assert.Equal(Hex("42000000"), Attribute(XfrmAttribute.SetMark));
        Assert.Equal(Hex("ff000000"), Attribute(XfrmAttribute.SetMarkMask));
        Assert.Equal(Hex("09000000"), Attribute(XfrmAttribute.IfId));
        Assert.Equal(Hex("14000000"), Attribute(XfrmAttribute.NatKeepaliveInterval));

        _xfrm.AddState(Outbound with { Direction = XfrmSaDirection.In, Offload = new XfrmOffload(5, Packet: false), MappingThreshold = uint.MaxValue }, Gcm, _gcmKey, []);
        Assert.Equal(Hex("05000000 02 000000"), Attribute(XfrmAttribute.OffloadDev)); // XFRM_OFFLOAD_INBOUND
        Assert.Equal(Hex("ffffffff"), Attribute(XfrmAttribute.MtimerThresh));
    }

    [Fact]
    public void What_kernels_take_without_a_word_is_refused_before()
    {
        Refused(Outbound with { Direction = null, Cpu = 1 }, "CPU = 1 without a direction");
        Refused(Outbound with { Cpu = -1 }, "CPU = -1");
        Refused(Outbound with { ReplayWindow = 4097 }, "replay window = 4097");
        Refused(Outbound with { Direction = XfrmSaDirection.In, Flags = XfrmStateFlags.Esn }, "replay window = 0");
        Refused(Outbound with { Direction = null, Offload = new XfrmOffload(1, false) }, "offload");
        Refused(Outbound with { Source = IPAddress.IPv6Loopback }, "addresses");

        void Refused(XfrmState state, string text)
        {
            PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => _xfrm.AddState(state, Gcm, _gcmKey, []));
            Assert.Equal(PcpuIpsecError.InvalidOption, e.Error);
            Assert.Contains(text, e.Message);
            Assert.Empty(_kernel.Requests);
        }
    }

    [Fact]
    public void An_SPI_is_asked_for_within_a_range_and_with_its_direction()
    {
        _kernel.Expect(r => [new Answer(Message(r, XfrmMessageType.NewSa, 0, XfrmSamples.SaInfo(0xc0000123))), Ack(r)]);

        Assert.Equal(0xc0000123u, _xfrm.AllocateSpi(Outbound with { Direction = XfrmSaDirection.In, Cpu = 2 }, 0xc0000000, 0xcfffffff));

        Assert.Equal(XfrmMessageType.AllocSpi, Type());
        Assert.Equal(Hex("000000c0 ffffffcf"), Request[(16 + 224)..(16 + 232)]);
        Assert.Equal([1], [.. AttributesFrom(16 + 232).Single(a => a.Type == XfrmAttribute.SaDir).Payload]);
        Assert.DoesNotContain(AttributesFrom(16 + 232), a => a.Type == XfrmAttribute.SaPcpu);
    }

    [Fact]
    public void A_state_is_deleted_and_got_by_destination_SPI_and_protocol()
    {
        Assert.True(_xfrm.DeleteState(Outbound.Id));
        Sent($"28000000 1100 0500 01000000 00000000  c0000202 {Zeroes(12)} c0ffee01 0200 32 00");

        _kernel.Expect(r => [Ack(r, 3)]);
        Assert.False(_xfrm.DeleteState(Outbound.Id));
        _kernel.Expect(r => [Ack(r, 3)]);
        Assert.Null(_xfrm.FindState(Outbound.Id with { Mark = new XfrmMark(1) }));
        Sent($"34000000 1200 0500 03000000 00000000  c0000202 {Zeroes(12)} c0ffee01 0200 32 00  0c00 1500 01000000 ffffffff");
    }

    [Fact]
    public void A_policy_carries_priority_flag_and_template()
    {
        _xfrm.UpdatePolicy(XfrmSamples.Policy);

        Sent($"""
            04010000 1900 0500 01000000 00000000                 # XFRM_MSG_UPDPOLICY
            {XfrmSamples.SelectorHex}
            {NoLimits}
            {Zeroes(32)}
            7fba0500 00000000 01 00 04 00 00000000               # priority 375423, index, OUT, ALLOW, CPU_ACQUIRE, share, padding
            4400 0500                                            # XFRMA_TMPL
              c0000202 {Zeroes(12)} 00000000 32 000000           # id
              0200 0000 c0000201 {Zeroes(12)}                    # family, saddr
              07000000 01 00 00 00 ffffffff ffffffff ffffffff    # reqid, TUNNEL, share, optional, algorithms
            0800 1f00 09000000                                   # XFRMA_IF_ID
            """);
    }

    [Fact]
    public void Policies_are_deleted_by_selector_or_index()
    {
        _xfrm.DeletePolicy(XfrmSamples.Policy);
        Sent($"58000000 1400 0500 01000000 00000000 {XfrmSamples.SelectorHex} 00000000 01 000000  0800 1f00 09000000");
        _xfrm.DeletePolicy(0x89, XfrmPolicyDirection.Out);
        Sent($"50000000 1400 0500 02000000 00000000 {Zeroes(56)} 89000000 01 000000");
    }

    [Fact]
    public void Flushes_and_dumps_are_of_ESP_states_and_of_all_policies()
    {
        _xfrm.FlushStates();
        Sent("14000000 1c00 0500 01000000 00000000 32000000");
        _xfrm.FlushPolicies();
        Sent("10000000 1d00 0500 02000000 00000000");
        _kernel.Expect(r => [Done(r)]);
        Assert.Empty(_xfrm.States());
        Sent("18000000 1200 0103 03000000 00000000 0500 1900 32000000");
    }

    [Fact]
    public void Hash_thresholds_are_set_for_both_families()
    {
        _xfrm.SetHashThresholds(new XfrmHashThreshold(24, 16), new XfrmHashThreshold(64, 48));
        Sent("24000000 2400 0500 01000000 00000000 ffffffff  0600 0300 1810 0000  0600 0400 4030 0000");
        Assert.Throws<PcpuIpsecException>(() => _xfrm.SetHashThresholds(new XfrmHashThreshold(33, 0), default));
    }

    [Theory]
    [InlineData(93, "Requested type not found", "no ESP for IPv4")]
    [InlineData(93, "Requested mode not found", "no tunnel mode for IPv4")]
    [InlineData(38, "Requested AEAD algorithm not found", "no AES_GCM_16_128/ESN for ESP")]
    public void A_kernel_without_what_a_state_needs_is_told_in_one_sentence(int errno, string kernelText, string told)
    {
        _kernel.Expect(r => [Ack(r, errno, FakeKernel.Attribute(1, [.. Encoding.ASCII.GetBytes(kernelText), 0]))]);

        XfrmUnsupportedException e = Assert.Throws<XfrmUnsupportedException>(() => _xfrm.AddState(Outbound, Gcm, _gcmKey, []));

        Assert.Equal(PcpuIpsecError.HostUnable, e.Error);
        Assert.Contains(told, e.Message);
        Assert.Contains(kernelText, e.Message);
    }

    private byte[] Request => _kernel.Requests[^1];

    private ushort Type() => BitConverter.ToUInt16(Request, 4);

    private byte[] Attribute(ushort type) => Find(type) ?? throw new InvalidOperationException($"attribute {type} is missing");

    /// <summary>Behind xfrm_usersa_info, which is 224 bytes.</summary>
    private byte[]? Find(ushort type) => AttributesFrom(16 + 224).Where(a => a.Type == type).Select(a => a.Payload).SingleOrDefault();

    private List<(ushort Type, byte[] Payload)> AttributesFrom(int offset)
    {
        var found = new List<(ushort, byte[])>();
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(Request.AsSpan(offset)))
            found.Add((attribute.Type, attribute.Payload.ToArray()));
        return found;
    }

    private void Sent(string hex) => Assert.Equal(Convert.ToHexString(Hex(hex)), Convert.ToHexString(Request));

    private static string Zeroes(int count) => XfrmSamples.Zeroes(count);

    private static string Name(string name) => Convert.ToHexString(Encoding.ASCII.GetBytes(name.PadRight(64, '\0')));
}
