using System.Buffers.Binary;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Crypto;

public class KeyDerivationTests
{
    // NIST's vector for the key derivation of IKEv2 (SP 800-135, CAVS 14.1) with SHA-256; also in OpenSSL's evpkdf_ikev2.txt.
    private static readonly byte[] _ni = Hex.Bytes("3651fef5c9c35e93");
    private static readonly byte[] _nr = Hex.Bytes("c09a8b90a3f04d59");
    private const ulong SpiI = 0x8e5c3ae507221684;
    private const ulong SpiR = 0xb1f201bb155c3acd;

    private static readonly byte[] _gir = Hex.Bytes(
        """
        d084a30166a50fb7325c3960874a839449ef9741c2f4f947d0201dd8c1269273d79509f37e3ca3eb4fa2fe2a28254e289cd3f34dad4eb4df1a07685a4b8a94fa
        61e2491f7598b3ce65547ff133b3f63d1ac4175eaa695033f3cedb026a6873a36455172a8540b8a5d23a0143bed0390ee49b168269d75fffee9fb62be965993c
        """);

    private static readonly byte[] _girNew = Hex.Bytes(
        """
        52f00ab174c25d5b7139ae5ff4e8e9eddee5992d2e36adf8a559ffd90dab1442e4fbe429d320c0f33552a17d1557fa41ea70e8fb916c4fa27ed52b5f8ebd8461
        afa78f1159159a64055ac5f6319e29c28eae58cbc6847770f32c3fed1d04750484f854790f95e9ec01bc5bc461f24966462e359511329305038e94deb6dd42c2
        """);

    private const string Dkm =
        """
        462b9dd525d4fd71169174272779e704baf62c6231779ae9efe8c58b21916b42010164af2111ebd762f6916ca9a6f0ee05c8b320e4ee27705521de2589adea18
        78f1a551738af7c88dc4f0bb0c096a3f7d1f1a670fc79f49f678d60d665bb3710c8657f03ba9f62b9a818d7a228968c506e237ae9502aa6db395c61ea6a3e795
        04f86b7368bfb5423df79e48809bbccd49fd826d024f63d7c2a5566400a12e736aa034510428f5ea008fe2fc16886fa388274ea6c2b4fcfc6141bf04f8207ef8
        afc224ea1059cb220dc0b23ac0e4ccda495a4e131b1d56e223aba5a48e8ed1f5
        """;

    private const string DkmOfChild =
        """
        23647677e7d403fa1e3006f19840aee18ad9fecc4215814c4131bdeba98433d8b0e31bfbbddf822abcce5e06486aa388022b75e27e1e68aa5983028b65282c73
        0c5d49ef7606770376cfdec41f7cc435d816029989bc353d3b67b9fd1168ddcb8978850da9b752aee6a30d0086d2c4d74ec0e03648a0dad334faf5fe88084e67
        """;

    private const string DkmOfChildWithKe =
        """
        6a919387a5fa2835fe8a8237e4a14845bd2b9930db87eff7adf268f62186004902dba9aa942d0259a0edc4120b932a503865b57ba8fb88117ef5df7b26799cd8
        ba37aa5438108cb1a4fe117907c9d0597b708c3f11151fefd624d2317202b7c81430600e6fcbb6e1a8df2b4861ef2363d53de1be69057b0cf6634a7e7bfa97b3
        """;

    private const string SkeyseedOfRekey = "90722c42bd849e9b72d240fc254174270fa8295de6f0338dafc303a9ec104f12";

    private static readonly ChosenSuite _suite = new(
        EncryptionAlgorithm.ENCR_AES_CBC, 256, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, PseudorandomFunction.PRF_HMAC_SHA2_256, KeyExchangeMethod.MODP_2048, false);

    [Fact]
    public void The_keys_of_an_IKE_SA_are_NIST_s_in_the_order_of_section_2_14()
    {
        using IkeSaKeys keys = IkeSaKeys.Derive(_suite, _gir, _ni, _nr, SpiI, SpiR);
        Assert.Equal(Hex.Plain(Dkm), Concatenated(keys.SkD, keys.SkAi, keys.SkAr, keys.SkEi, keys.SkEr, keys.SkPi, keys.SkPr));
        Assert.All([keys.SkD, keys.SkAi, keys.SkAr, keys.SkEi, keys.SkEr, keys.SkPi, keys.SkPr], key => Assert.Equal(32, key.Length));
    }

    [Fact]
    public void The_keys_of_a_Child_SA_are_NIST_s_in_the_order_of_section_2_17()
    {
        using IkeSaKeys ike = IkeSaKeys.Derive(_suite, _gir, _ni, _nr, SpiI, SpiR);
        using ChildSaKeyMaterial child = ChildSaKeyMaterial.Derive(_suite, PseudorandomFunction.PRF_HMAC_SHA2_256, ike.SkD, [], _ni, _nr);
        Assert.Equal(Hex.Plain(DkmOfChild), Concatenated(child.EncryptionI, child.IntegrityI, child.EncryptionR, child.IntegrityR));

        using ChildSaKeyMaterial withKe = ChildSaKeyMaterial.Derive(_suite, PseudorandomFunction.PRF_HMAC_SHA2_256, ike.SkD, _girNew, _ni, _nr);
        Assert.Equal(Hex.Plain(DkmOfChildWithKe), Concatenated(withKe.EncryptionI, withKe.IntegrityI, withKe.EncryptionR, withKe.IntegrityR));
    }

    [Theory]
    [InlineData(256)]
    [InlineData(384)]
    [InlineData(512)]
    public void A_rekeyed_IKE_SA_starts_from_the_old_PRF_and_goes_on_with_the_new_one(int newHash)
    {
        using IkeSaKeys old = IkeSaKeys.Derive(_suite, _gir, _ni, _nr, SpiI, SpiR);
        ChosenSuite suite = _suite with { Prf = PrfTests.Function(newHash) };
        using IkeSaKeys keys = IkeSaKeys.DeriveRekeyed(suite, PseudorandomFunction.PRF_HMAC_SHA2_256, old.SkD, _girNew, _ni, _nr, 1, 2);

        byte[] expected = PrfTests.Chain(newHash, Hex.Bytes(SkeyseedOfRekey), [.. _ni, .. _nr, .. BigEndian(1), .. BigEndian(2)], 10);
        string actual = Concatenated(keys.SkD, keys.SkAi, keys.SkAr, keys.SkEi, keys.SkEr, keys.SkPi, keys.SkPr);
        Assert.Equal(Hex.Of(expected.AsSpan(0, actual.Length / 2)), actual);
        Assert.Equal(newHash / 8, keys.SkD.Length);
        Assert.Equal(newHash / 8, keys.SkPr.Length);
    }

    [Theory]
    [InlineData(256)]
    [InlineData(384)]
    [InlineData(512)]
    public void An_independent_derivation_agrees_for_every_PRF(int hash)
    {
        ChosenSuite suite = _suite with { Prf = PrfTests.Function(hash), Integrity = IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256 };
        byte[] ni = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        byte[] nr = [.. Enumerable.Range(0, 16).Select(i => (byte)(i * 3))];
        byte[] skeyseed = PrfTests.PlainHmac(hash, [.. ni, .. nr], _gir);
        byte[] expected = PrfTests.Chain(hash, skeyseed, [.. ni, .. nr, .. BigEndian(SpiI), .. BigEndian(SpiR)], 12);

        using IkeSaKeys keys = IkeSaKeys.Derive(suite, _gir, ni, nr, SpiI, SpiR);
        string actual = Concatenated(keys.SkD, keys.SkAi, keys.SkAr, keys.SkEi, keys.SkEr, keys.SkPi, keys.SkPr);
        Assert.Equal(2 * ((3 * hash / 8) + (2 * 64) + (2 * 32)), actual.Length);
        Assert.Equal(Hex.Of(expected.AsSpan(0, actual.Length / 2)), actual);
    }

    [Theory]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_GCM_16, 128, 20)]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_GCM_16, 256, 36)]
    [InlineData((int)EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 256, 36)]
    [InlineData((int)EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 0, 36)]
    public void AEADs_take_their_salt_behind_the_key_and_no_integrity_key(int encryption, int bits, int length)
    {
        ChosenSuite suite = _suite with { Encryption = (EncryptionAlgorithm)encryption, KeyBits = bits, Integrity = IntegrityAlgorithm.NONE };
        using IkeSaKeys ike = IkeSaKeys.Derive(suite, _gir, _ni, _nr, SpiI, SpiR);
        Assert.Equal([0, 0, length, length], new[] { ike.SkAi.Length, ike.SkAr.Length, ike.SkEi.Length, ike.SkEr.Length });
        Assert.StartsWith(Concatenated(ike.SkD, ike.SkEi, ike.SkEr), Hex.Plain(Dkm));

        using IkeSaKeys full = IkeSaKeys.Derive(_suite, _gir, _ni, _nr, SpiI, SpiR);
        using ChildSaKeyMaterial child = ChildSaKeyMaterial.Derive(suite with { Prf = null }, PseudorandomFunction.PRF_HMAC_SHA2_256, full.SkD, [], _ni, _nr);
        Assert.Equal(Hex.Plain(DkmOfChild)[..(4 * length)], Concatenated(child.EncryptionI, child.EncryptionR));
        Assert.Equal(0, child.IntegrityI.Length + child.IntegrityR.Length);
    }

    [Fact]
    public void What_the_initiator_s_cipher_seals_only_the_initiator_s_cipher_opens()
    {
        using IkeSaKeys keys = IkeSaKeys.Derive(_suite, _gir, _ni, _nr, SpiI, SpiR);
        using PacketCipher sender = keys.CipherOfInitiator();
        using PacketCipher receiver = keys.CipherOfInitiator();
        using PacketCipher other = keys.CipherOfResponder();
        byte[] text = new byte[32];
        byte[] icv = new byte[sender.IcvLength];
        sender.Seal([1], new byte[16], text, [], icv);
        Assert.False(other.TryOpen([1], new byte[16], text, [], icv));
        Assert.True(receiver.TryOpen([1], new byte[16], text, [], icv));
    }

    [Fact]
    public void Disposed_keys_are_gone()
    {
        IkeSaKeys keys = IkeSaKeys.Derive(_suite, _gir, _ni, _nr, SpiI, SpiR);
        ChildSaKeyMaterial child = ChildSaKeyMaterial.Derive(_suite, PseudorandomFunction.PRF_HMAC_SHA2_256, keys.SkD, [], _ni, _nr);
        keys.Dispose();
        child.Dispose();
        Assert.All(
            [keys.SkD, keys.SkAi, keys.SkAr, keys.SkEi, keys.SkEr, keys.SkPi, keys.SkPr, child.EncryptionI, child.IntegrityI, child.EncryptionR, child.IntegrityR],
            key => Assert.Throws<ObjectDisposedException>(() => key.Span.Length));
    }

    [Fact]
    public void A_suite_without_a_PRF_is_no_suite_of_an_IKE_SA()
        => Assert.Contains("no PRF", Assert.Throws<PcpuIpsecException>(() => IkeSaKeys.Derive(_suite with { Prf = null }, _gir, _ni, _nr, 1, 2)).Message);

    [Theory]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_CBC, 192)]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_GCM_16, 0)]
    public void Key_lengths_other_than_128_and_256_are_refused(int encryption, int bits)
    {
        PcpuIpsecException refusal = Assert.Throws<PcpuIpsecException>(() => Algorithms.KeyLength((EncryptionAlgorithm)encryption, bits));
        Assert.Contains($"{bits} bits; 128 and 256", refusal.Message);
    }

    private static byte[] BigEndian(ulong number)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, number);
        return bytes;
    }

    private static string Concatenated(params Secret[] keys) => string.Concat(keys.Select(key => Hex.Of(key.Span)));
}
