using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Proposals;

public class ProposalSelectionTests
{
    private static readonly Dictionary<string, Transform> _byText = new()
    {
        ["GCM128"] = new(TransformType.ENCR, 20, 128),
        ["GCM256"] = new(TransformType.ENCR, 20, 256),
        ["GCM256?"] = new(TransformType.ENCR, 20, 256, Unusable: true),
        ["GCM"] = new(TransformType.ENCR, 20),
        ["GCM8"] = new(TransformType.ENCR, 18, 128),
        ["CHACHA"] = new(TransformType.ENCR, 28),
        ["CBC128"] = new(TransformType.ENCR, 12, 128),
        ["CBC256"] = new(TransformType.ENCR, 12, 256),
        ["NULL"] = new(TransformType.ENCR, 11),
        ["PRF256"] = new(TransformType.PRF, 5),
        ["PRF384"] = new(TransformType.PRF, 6),
        ["PRFSHA1"] = new(TransformType.PRF, 2),
        ["INT256"] = new(TransformType.INTEG, 12),
        ["INT512"] = new(TransformType.INTEG, 14),
        ["INTNONE"] = new(TransformType.INTEG, 0),
        ["X25519"] = new(TransformType.KE, 31),
        ["ECP256"] = new(TransformType.KE, 19),
        ["MODP1024"] = new(TransformType.KE, 2),
        ["KENONE"] = new(TransformType.KE, 0),
        ["ESN"] = new(TransformType.ESN, 1),
        ["NOESN"] = new(TransformType.ESN, 0),
        ["ADDKE1"] = new((TransformType)6, 35),
    };

    /// <summary>"1:GCM128 PRF256 X25519 | 2:…"</summary>
    private static Proposal[] Offers(ProtocolId protocol, string text) => [.. text.Split('|', StringSplitOptions.RemoveEmptyEntries).Select(part =>
    {
        string[] halves = part.Trim().Split(':');
        return new Proposal(byte.Parse(halves[0]), protocol, [1, 2, 3, 4], [.. halves[1].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => _byText[word])]);
    })];

    private static string Text(Proposal proposal)
        => $"{proposal.Number}:{string.Join(' ', proposal.Transforms.Select(transform => _byText.First(pair => pair.Value == transform).Key))}";

    private static string Select(string offered, ProtocolId protocol, KeyExchangeMethod? preferred, bool ignoreKe, params CipherSuite[] suites)
        => ProposalSelection.TrySelect(Offers(protocol, offered), suites, protocol, preferred, ignoreKe, out Proposal? answer, out _) ? Text(answer) : "none";

    [Theory]
    [InlineData("1:GCM128 PRF256 X25519", "1:GCM128 PRF256 X25519")]
    [InlineData("1:GCM128 GCM256 CHACHA PRF384 PRF256 ECP256 X25519", "1:GCM256 PRF256 X25519")] // our preference, not the peer's
    [InlineData("1:CBC128 PRF256 INT256 X25519 | 2:GCM128 PRF256 X25519", "2:GCM128 PRF256 X25519")]
    [InlineData("1:CBC128 PRF256 INT512 INT256 X25519", "1:CBC128 PRF256 INT256 X25519")]
    [InlineData("1:GCM128 INTNONE PRF256 X25519", "1:GCM128 PRF256 INTNONE X25519")] // said, so answered
    [InlineData("1:GCM128 INT256 PRF256 X25519", "none")] // an AEAD with integrity
    [InlineData("1:GCM128 CBC128 INT256 PRF256 X25519", "1:CBC128 PRF256 INT256 X25519")] // but the other cipher there will do
    [InlineData("1:CBC128 PRF256 X25519", "none")] // no integrity
    [InlineData("1:CBC128 INTNONE PRF256 X25519", "none")]
    [InlineData("1:GCM128 X25519", "none")] // no PRF
    [InlineData("1:GCM128 PRFSHA1 X25519", "none")]
    [InlineData("1:GCM128 PRF256", "none")] // no key exchange
    [InlineData("1:GCM128 PRF256 KENONE", "none")]
    [InlineData("1:GCM128 PRF256 MODP1024", "none")]
    [InlineData("1:GCM PRF256 X25519", "none")] // no key length
    [InlineData("1:GCM8 PRF256 X25519", "none")]
    [InlineData("1:GCM256? GCM128 PRF256 X25519", "1:GCM128 PRF256 X25519")] // an unusable transform is passed over
    [InlineData("1:GCM256? PRF256 X25519", "none")]
    [InlineData("1:GCM128 PRF256 X25519 ADDKE1", "none")] // a transform type that we do not know
    [InlineData("1:GCM128 PRF256 X25519 ADDKE1 | 2:GCM128 PRF256 X25519", "2:GCM128 PRF256 X25519")]
    [InlineData("1:GCM128 PRF256 X25519 NOESN", "none")] // ESN is no business of IKE
    [InlineData("1:GCM128 PRF256 X25519 NOESN | 2:GCM128 PRF256 ECP256", "2:GCM128 PRF256 ECP256")]
    [InlineData("1:NULL INT256 PRF256 X25519", "none")]
    [InlineData("1:PRF256 X25519", "none")]
    [InlineData("", "none")]
    public void The_responder_chooses_for_IKE(string offered, string answer) => Assert.Equal(answer, Select(
        offered, ProtocolId.IKE, null, false,
        CipherSuite.ParseIke("aes256gcm16-aes128gcm16-sha256-x25519-ecp256"),
        CipherSuite.ParseIke("aes128-sha256-sha512-x25519")));

    [Theory]
    [InlineData("1:GCM128 PRF256 X25519 ECP256", (ushort)KeyExchangeMethod.ECP_256, "1:GCM128 PRF256 ECP256")]
    [InlineData("1:GCM128 PRF256 X25519 ECP256", (ushort)KeyExchangeMethod.CURVE25519, "1:GCM128 PRF256 X25519")]
    [InlineData("1:GCM128 PRF256 X25519 ECP256", (ushort)KeyExchangeMethod.MODP_2048, "1:GCM128 PRF256 X25519")] // INVALID_KE_PAYLOAD will follow
    [InlineData("1:GCM128 PRF256 X25519 | 2:GCM128 PRF256 ECP256", (ushort)KeyExchangeMethod.ECP_256, "2:GCM128 PRF256 ECP256")]
    [InlineData("1:GCM128 PRF256 X25519 | 2:GCM128 PRF256 X25519", (ushort)KeyExchangeMethod.ECP_256, "1:GCM128 PRF256 X25519")]
    [InlineData("1:CBC128 PRF256 INT256 ECP256 | 2:GCM128 PRF256 X25519", (ushort)KeyExchangeMethod.ECP_256, "2:GCM128 PRF256 X25519")] // the suite comes first
    public void The_method_whose_value_is_there_already_is_preferred(string offered, ushort carried, string answer) => Assert.Equal(answer, Select(
        offered, ProtocolId.IKE, (KeyExchangeMethod)carried, false,
        CipherSuite.ParseIke("aes128gcm16-sha256-x25519-ecp256"),
        CipherSuite.ParseIke("aes128-sha256-ecp256")));

    [Theory]
    [InlineData("aes128gcm16", false, "1:GCM128 NOESN", "1:GCM128 NOESN")]
    [InlineData("aes128gcm16", false, "1:GCM128 ESN NOESN", "1:GCM128 NOESN")]
    [InlineData("aes128gcm16", false, "1:GCM128 ESN", "none")]
    [InlineData("aes128gcm16", false, "1:GCM128", "1:GCM128")] // ESN not said is no ESN
    [InlineData("aes128gcm16-esn", false, "1:GCM128", "none")]
    [InlineData("aes128gcm16-esn", false, "1:GCM128 NOESN", "none")]
    [InlineData("aes128gcm16-esn-noesn", false, "1:GCM128 NOESN ESN", "1:GCM128 ESN")]
    [InlineData("aes128gcm16-noesn-esn", false, "1:GCM128 NOESN ESN", "1:GCM128 NOESN")]
    [InlineData("aes128gcm16", false, "1:GCM128 X25519 NOESN", "none")] // PFS is asked for, we have none
    [InlineData("aes128gcm16", false, "1:GCM128 X25519 KENONE NOESN", "1:GCM128 KENONE NOESN")]
    [InlineData("aes128gcm16", false, "1:GCM128 KENONE NOESN", "1:GCM128 KENONE NOESN")]
    [InlineData("aes128gcm16", true, "1:GCM128 X25519 NOESN", "1:GCM128 NOESN")] // IKE_AUTH
    [InlineData("aes128gcm16-x25519", true, "1:GCM128 NOESN", "1:GCM128 NOESN")]
    [InlineData("aes128gcm16-x25519", false, "1:GCM128 NOESN", "none")] // we want PFS
    [InlineData("aes128gcm16-x25519", false, "1:GCM128 X25519 KENONE NOESN", "1:GCM128 X25519 NOESN")]
    [InlineData("aes128gcm16-x25519", false, "1:GCM128 KENONE NOESN", "none")]
    [InlineData("aes128gcm16-x25519-none", false, "1:GCM128 NOESN", "1:GCM128 NOESN")]
    [InlineData("aes128gcm16-x25519-none", false, "1:GCM128 X25519 NOESN", "1:GCM128 X25519 NOESN")]
    [InlineData("aes128gcm16-x25519-none", false, "1:GCM128 ECP256 NOESN", "none")]
    [InlineData("aes128gcm16", false, "1:GCM128 INT256 NOESN", "none")]
    [InlineData("aes128gcm16", false, "1:GCM128 INTNONE NOESN", "1:GCM128 INTNONE NOESN")]
    [InlineData("aes128-sha256", false, "1:CBC128 INT256 NOESN", "1:CBC128 INT256 NOESN")]
    [InlineData("aes128-sha256", false, "1:CBC128 INTNONE NOESN", "none")]
    [InlineData("aes128-sha256", false, "1:CBC128 NOESN", "none")]
    [InlineData("null-sha256", false, "1:NULL INT256 NOESN", "1:NULL INT256 NOESN")]
    [InlineData("aes128-sha256", false, "1:NULL INT256 NOESN", "none")]
    [InlineData("aes128gcm16", false, "1:GCM128 PRF256 NOESN", "none")] // a PRF is no business of ESP
    [InlineData("aes128gcm16", false, "3:CBC128 INT256 NOESN | 5:GCM128 NOESN", "5:GCM128 NOESN")]
    public void The_responder_chooses_for_ESP(string suite, bool ikeAuth, string offered, string answer)
        => Assert.Equal(answer, Select(offered, ProtocolId.ESP, null, ikeAuth, CipherSuite.ParseEsp(suite)));

    [Fact]
    public void A_proposal_for_another_protocol_is_not_chosen()
        => Assert.False(ProposalSelection.TrySelect(Offers(ProtocolId.AH, "1:GCM128 NOESN"), CipherSuite.DefaultEsp, ProtocolId.ESP, null, false, out _, out _));

    [Theory]
    [InlineData("aes256gcm16-sha384-x25519", "AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE25519", 256)]
    [InlineData("chacha20poly1305-sha256-ecp256", "CHACHA20_POLY1305/PRF_HMAC_SHA2_256/ECP_256", 256)]
    [InlineData("aes128-sha512-modp2048", "AES_CBC_128/HMAC_SHA2_512_256/PRF_HMAC_SHA2_512/MODP_2048", 128)]
    public void Both_ends_come_to_the_same_suite_for_IKE(string suite, string chosen, int keyBits)
    {
        CipherSuite ours = CipherSuite.ParseIke(suite);
        Proposal[] offered = [CipherSuite.ParseIke("aes256-sha384-x448").ToProposal(1, ProtocolId.IKE, [], true), ours.ToProposal(2, ProtocolId.IKE, [], true)];
        Assert.True(ProposalSelection.TrySelect(offered, [ours], ProtocolId.IKE, null, false, out Proposal? answer, out ChosenSuite? responder));
        Assert.True(ProposalSelection.TryAccept([answer], offered, out ChosenSuite? initiator));
        Assert.Equal(responder, initiator);
        Assert.Equal((chosen, keyBits, false), (responder.ToString(), responder.KeyBits, responder.Esn));
        Assert.Equal(2, answer.Number);
        Assert.Empty(answer.Spi);
    }

    [Theory]
    [InlineData("aes128gcm16-esn", true, "AES_GCM_16_128/ESN", 128)]
    [InlineData("aes128gcm16-x25519", true, "AES_GCM_16_128/CURVE25519", 128)]
    [InlineData("aes128gcm16-x25519", false, "AES_GCM_16_128", 128)]
    [InlineData("null-sha256", true, "NULL/HMAC_SHA2_256_128", 0)]
    [InlineData("aes256-sha384-noesn", true, "AES_CBC_256/HMAC_SHA2_384_192", 256)]
    public void Both_ends_come_to_the_same_suite_for_ESP(string suite, bool keyExchange, string chosen, int keyBits)
    {
        CipherSuite ours = CipherSuite.ParseEsp(suite);
        Proposal[] offered = [ours.ToProposal(1, ProtocolId.ESP, [1, 2, 3, 4], keyExchange)];
        Assert.True(ProposalSelection.TrySelect(offered, [ours], ProtocolId.ESP, null, !keyExchange, out Proposal? answer, out ChosenSuite? responder));
        Assert.True(ProposalSelection.TryAccept([answer], offered, out ChosenSuite? initiator));
        Assert.Equal(responder, initiator);
        Assert.Equal((chosen, keyBits), (responder.ToString(), responder.KeyBits));
    }

    [Theory]
    [InlineData("1:GCM128 PRF256 X25519", true)]
    [InlineData("1:GCM128 INTNONE PRF256 X25519", true)] // says no more than we did
    [InlineData("2:CBC128 INT256 PRF256 X25519", true)]
    [InlineData("2:GCM128 PRF256 X25519", false)] // ours, but under another number
    [InlineData("3:GCM128 PRF256 X25519", false)]
    [InlineData("1:GCM256 PRF256 X25519", false)] // not offered
    [InlineData("1:GCM128 PRF384 X25519", false)]
    [InlineData("1:GCM128 PRF256 ECP256 X25519", false)] // two of a type
    [InlineData("1:GCM128 PRF256 X25519 X25519", false)]
    [InlineData("1:GCM128 PRF256", false)] // one missing
    [InlineData("1:PRF256 X25519", false)]
    [InlineData("1:GCM128 PRF256 X25519 ESN", false)]
    [InlineData("1:GCM128 PRF256 X25519 ADDKE1", false)]
    [InlineData("2:CBC128 PRF256 X25519", false)] // integrity left out
    [InlineData("2:CBC128 INTNONE PRF256 X25519", false)]
    [InlineData("1:GCM128 PRF256 X25519 | 2:CBC128 INT256 PRF256 X25519", false)] // two proposals
    [InlineData("", false)]
    public void The_initiator_takes_only_what_it_offered(string answered, bool accepted)
    {
        Proposal[] offered = Offers(ProtocolId.IKE, "1:GCM128 CHACHA PRF256 X25519 ECP256 | 2:CBC128 INT256 PRF256 X25519");
        Assert.Equal(accepted, ProposalSelection.TryAccept(Offers(ProtocolId.IKE, answered), offered, out ChosenSuite? chosen));
        Assert.Equal(accepted, chosen is not null);
    }

    [Theory]
    [InlineData("1:GCM128 ESN NOESN X25519 KENONE", "1:GCM128 ESN X25519", true)]
    [InlineData("1:GCM128 ESN NOESN X25519 KENONE", "1:GCM128 ESN KENONE", true)]
    [InlineData("1:GCM128 ESN NOESN X25519 KENONE", "1:GCM128 ESN", true)] // none was offered, so it may be left out
    [InlineData("1:GCM128 ESN NOESN X25519", "1:GCM128 ESN", false)]
    [InlineData("1:GCM128 ESN", "1:GCM128", false)]
    [InlineData("1:GCM128 NOESN", "1:GCM128", true)]
    [InlineData("1:GCM128 NOESN", "1:GCM128 KENONE NOESN", true)]
    [InlineData("1:GCM128 NOESN", "1:GCM128 X25519 NOESN", false)]
    [InlineData("1:GCM128 NOESN", "1:GCM128 PRF256 NOESN", false)]
    [InlineData("1:CBC128 NOESN", "1:CBC128 NOESN", false)] // even where offered: a cipher without integrity
    [InlineData("1:GCM128 INT256 NOESN", "1:GCM128 INT256 NOESN", false)] // and an AEAD with it
    public void The_initiator_takes_for_ESP_only_what_it_offered(string offered, string answered, bool accepted)
        => Assert.Equal(accepted, ProposalSelection.TryAccept(Offers(ProtocolId.ESP, answered), Offers(ProtocolId.ESP, offered), out _));

    [Fact]
    public void An_answer_for_another_protocol_is_refused()
        => Assert.False(ProposalSelection.TryAccept(Offers(ProtocolId.AH, "1:GCM128 NOESN"), Offers(ProtocolId.ESP, "1:GCM128 NOESN"), out _));
}
