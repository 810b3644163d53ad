using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Proposals;

public class CipherSuiteTests
{
    private static string Text(CipherSuite suite) => string.Join('/', suite.Transforms.Select(transform => transform.ToText()));

    [Theory]
    [InlineData("aes128gcm16-sha256-x25519", "AES_GCM_16_128/PRF_HMAC_SHA2_256/CURVE25519", "aes128gcm16-sha256-x25519")]
    [InlineData("aes256gcm16-prfsha384-ecp384", "AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384", "aes256gcm16-sha384-ecp384")]
    [InlineData("chacha20poly1305-sha512-x448", "CHACHA20_POLY1305/PRF_HMAC_SHA2_512/CURVE448", "chacha20poly1305-sha512-x448")]
    [InlineData("aes128-sha256-modp2048", "AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048", "aes128-sha256-modp2048")]
    [InlineData("aes256-sha512-modp3072-modp4096", "AES_CBC_256/HMAC_SHA2_512_256/PRF_HMAC_SHA2_512/MODP_3072/MODP_4096", "aes256-sha512-modp3072-modp4096")]
    [InlineData("aes256-sha384-prfsha512-ecp521", "AES_CBC_256/HMAC_SHA2_384_192/PRF_HMAC_SHA2_512/ECP_521", "aes256-sha384-prfsha512-ecp521")]
    [InlineData("aes128gcm16-aes256gcm16-sha256-sha384-x25519-ecp256", "AES_GCM_16_128/AES_GCM_16_256/PRF_HMAC_SHA2_256/PRF_HMAC_SHA2_384/CURVE25519/ECP_256", "aes128gcm16-aes256gcm16-sha256-sha384-x25519-ecp256")]
    [InlineData("aes128gcm16-sha256-prfsha512-x25519", "AES_GCM_16_128/PRF_HMAC_SHA2_512/CURVE25519", "aes128gcm16-sha512-x25519")]
    // libreswan's ways
    [InlineData("aes_gcm256-sha2_256;dh19", "AES_GCM_16_256/PRF_HMAC_SHA2_256/ECP_256", "aes256gcm16-sha256-ecp256")]
    [InlineData("aes_gcm-sha2;dh31", "AES_GCM_16_256/AES_GCM_16_128/PRF_HMAC_SHA2_256/CURVE25519", "aes256gcm16-aes128gcm16-sha256-x25519")]
    [InlineData("aes_gcm_16_128-null-sha2_512-dh32", "AES_GCM_16_128/PRF_HMAC_SHA2_512/CURVE448", "aes128gcm16-sha512-x448")]
    [InlineData("aes_cbc256-sha2_256+sha2_512-modp2048", "AES_CBC_256/HMAC_SHA2_256_128/HMAC_SHA2_512_256/PRF_HMAC_SHA2_256/PRF_HMAC_SHA2_512/MODP_2048", "aes256-sha256-sha512-modp2048")]
    [InlineData("AES128-CBC-SHA2_256-DH14", "AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048", "aes128-sha256-modp2048")]
    public void IKE_suites_are_read_as_their_users_write_them(string text, string transforms, string canonical)
    {
        CipherSuite suite = CipherSuite.ParseIke(text);
        Assert.Equal(transforms, Text(suite));
        Assert.Equal(canonical, suite.ToString());
        Assert.Equal(suite, CipherSuite.ParseIke(canonical));
    }

    [Theory]
    [InlineData("aes128gcm16", "AES_GCM_16_128/NO_ESN", "aes128gcm16")]
    [InlineData("aes256gcm16-esn", "AES_GCM_16_256/ESN", "aes256gcm16-esn")]
    [InlineData("aes256gcm16-esn-noesn", "AES_GCM_16_256/ESN/NO_ESN", "aes256gcm16-esn-noesn")]
    [InlineData("aes256gcm16-noesn-esn", "AES_GCM_16_256/NO_ESN/ESN", "aes256gcm16-noesn-esn")]
    [InlineData("aes128gcm16-sha256-x25519", "AES_GCM_16_128/CURVE25519/NO_ESN", "aes128gcm16-x25519")]
    [InlineData("aes128gcm16-prfsha256-x25519", "AES_GCM_16_128/CURVE25519/NO_ESN", "aes128gcm16-x25519")]
    [InlineData("aes128gcm16-x25519-none", "AES_GCM_16_128/CURVE25519/NONE/NO_ESN", "aes128gcm16-x25519-none")]
    [InlineData("aes128gcm16-none", "AES_GCM_16_128/NO_ESN", "aes128gcm16")]
    [InlineData("aes256-sha256", "AES_CBC_256/HMAC_SHA2_256_128/NO_ESN", "aes256-sha256")]
    [InlineData("null-sha256", "NULL/HMAC_SHA2_256_128/NO_ESN", "null-sha256")]
    [InlineData("aes_gcm128-null", "AES_GCM_16_128/NO_ESN", "aes128gcm16")]
    [InlineData("aes128gcm16-aes128gcm16", "AES_GCM_16_128/NO_ESN", "aes128gcm16")]
    public void ESP_suites_are_read_as_their_users_write_them(string text, string transforms, string canonical)
    {
        CipherSuite suite = CipherSuite.ParseEsp(text);
        Assert.Equal(transforms, Text(suite));
        Assert.Equal(canonical, suite.ToString());
        Assert.Equal(suite, CipherSuite.ParseEsp(canonical));
    }

    [Theory]
    [InlineData("aes128gcm16 aes128gcm aes128gcm128 aes_gcm128 aes_gcm_128 aes_gcm_16_128 aes_gcm_c_128")]
    [InlineData("aes256gcm16 aes256gcm aes256gcm128 aes_gcm256 aes_gcm_256 aes_gcm_16_256")]
    [InlineData("chacha20poly1305 chacha20_poly1305 ChaCha20Poly1305")]
    [InlineData("sha256 sha2_256 sha2 hmac_sha2_256")]
    [InlineData("sha384 sha2_384 hmac_sha2_384")]
    [InlineData("sha512 sha2_512 hmac_sha2_512")]
    [InlineData("aes128 aes128cbc aes_cbc128 aes_cbc_128 aes")]
    [InlineData("aes256 aes256cbc aes_cbc256 aes_cbc_256")]
    [InlineData("x25519 curve25519 dh31")]
    [InlineData("x448 curve448 dh32")]
    [InlineData("ecp256 dh19")]
    [InlineData("ecp384 dh20")]
    [InlineData("ecp521 dh21")]
    [InlineData("modp2048 dh14")]
    [InlineData("modp3072 dh15")]
    [InlineData("modp4096 dh16")]
    public void One_algorithm_has_several_names(string words)
    {
        string[] names = words.Split(' ');
        Assert.True(Keywords.TryFind(names[0], out IReadOnlyList<Transform> first));
        Assert.All(names, name => Assert.Equal(first, Keywords.TryFind(name, out IReadOnlyList<Transform> same) ? same : []));
        Assert.Equal(names[0], Keywords.WordOf(Assert.Single(first)));
    }

    [Theory]
    [InlineData("aes128gmc16-sha256-x25519", "'aes128gmc16'", "'aes128gcm16'")]
    [InlineData("aes128gcm16-sha265-x25519", "'sha265'", "'sha256'")]
    [InlineData("aes128gcm16-sha256-x25591", "'x25591'", "'x25519'")]
    [InlineData("aes128gcm16-sha256-modp2084", "'modp2084'", "'modp2048'")]
    [InlineData("aes192gcm16-sha256-x25519", "'aes192gcm16'", "'aes128gcm16'")]
    [InlineData("3des-sha1-modp1024", "'3des'", "'aes'")]
    [InlineData("aes128gcm16-md5-x25519", "'md5'", "known")]
    [InlineData("cbc-sha256-x25519", "'cbc'", "known")]
    [InlineData("aes128gcm16-cbc-sha256-x25519", "'cbc'", "known")]
    public void An_unknown_word_is_refused_with_the_nearest_known(string text, string word, string nearest)
    {
        PcpuIpsecException exception = Assert.Throws<PcpuIpsecException>(() => CipherSuite.ParseIke(text));
        Assert.Equal(PcpuIpsecError.InvalidOption, exception.Error);
        Assert.Contains($"'{text}'", exception.Message, StringComparison.Ordinal);
        Assert.Contains($"{word} is unknown", exception.Message, StringComparison.Ordinal);
        Assert.Contains(nearest, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("aes128gcm16-sha256", "key exchange")]
    [InlineData("aes128gcm16-sha256-none", "key exchange")]
    [InlineData("aes128gcm16-sha256-x25519-none", "key exchange")]
    [InlineData("aes128gcm16-x25519", "PRF")]
    [InlineData("aes128-x25519", "PRF")]
    [InlineData("aes128-prfsha256-x25519", "integrity")]
    [InlineData("sha256-x25519", "encryption")]
    [InlineData("null-sha256-x25519", "null is for ESP only")]
    [InlineData("aes128gcm16-sha256-x25519-esn", "for ESP only")]
    [InlineData("aes128gcm16-aes128-sha256-x25519", "write two")]
    [InlineData("", "empty")]
    [InlineData("aes128gcm16--x25519", "empty")]
    public void An_IKE_suite_that_lacks_a_part_is_refused(string text, string reason)
        => Assert.Contains(reason, Assert.Throws<PcpuIpsecException>(() => CipherSuite.ParseIke(text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("aes256", "integrity")]
    [InlineData("null", "integrity")]
    [InlineData("x25519", "encryption")]
    [InlineData("esn", "encryption")]
    [InlineData("aes128-null-sha256", "null cannot")]
    [InlineData("null-aes128gcm16-sha256", "write two")]
    public void An_ESP_suite_that_lacks_a_part_is_refused(string text, string reason)
        => Assert.Contains(reason, Assert.Throws<PcpuIpsecException>(() => CipherSuite.ParseEsp(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Null_is_offered_only_where_it_was_written()
    {
        Assert.True(CipherSuite.ParseEsp("null-sha256").IsIntegrityOnly);
        Assert.All([.. CipherSuite.DefaultEsp, .. CipherSuite.DefaultIke], suite => Assert.False(suite.IsIntegrityOnly));
    }

    [Fact]
    public void The_defaults_prefer_AEADs_and_X25519_and_have_no_key_exchange_for_ESP()
    {
        Assert.Equal("AES_GCM_16_128", CipherSuite.DefaultIke[0].Transforms[0].ToText());
        Assert.Equal("CURVE25519", CipherSuite.DefaultIke[0].Of(TransformType.KE).First().ToText());
        Assert.Equal("AES_GCM_16_128", CipherSuite.DefaultEsp[0].Transforms[0].ToText());
        Assert.All(CipherSuite.DefaultEsp, suite => Assert.Empty(suite.Of(TransformType.KE)));
        Assert.All(CipherSuite.DefaultEsp, suite => Assert.Equal(["ESN", "NO_ESN"], suite.Of(TransformType.ESN).Select(esn => esn.ToText())));
    }

    [Fact]
    public void A_proposal_leaves_the_key_exchange_out_in_IKE_AUTH()
    {
        CipherSuite suite = CipherSuite.ParseEsp("aes128gcm16-x25519");
        Assert.Equal("ESP:AES_GCM_16_128/NO_ESN", suite.ToProposal(3, ProtocolId.ESP, [1, 2, 3, 4], false).ToText());
        Proposal proposal = suite.ToProposal(3, ProtocolId.ESP, [1, 2, 3, 4], true);
        Assert.Equal("ESP:AES_GCM_16_128/CURVE25519/NO_ESN", proposal.ToText());
        Assert.Equal((3, "01020304"), (proposal.Number, Convert.ToHexStringLower(proposal.Spi)));
    }

    [Fact]
    public void What_a_peer_offers_prints_whatever_it_is()
        => Assert.Equal("protocol 9:TYPE241(7)/EncryptionAlgorithm(3)/ESN(2)/AES_CBC_128(attributes unknown)", new Proposal(1, (ProtocolId)9, [],
            [new((TransformType)241, 7), new(TransformType.ENCR, 3), new(TransformType.ESN, 2), new(TransformType.ENCR, 12, 128, true)]).ToText());
}
