using System.Numerics;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Crypto;

public class KeyExchangeTests
{
    private static readonly Dictionary<KeyExchangeMethod, (int Public, int Secret)> _lengths = new()
    {
        [KeyExchangeMethod.MODP_2048] = (256, 256),
        [KeyExchangeMethod.MODP_3072] = (384, 384),
        [KeyExchangeMethod.MODP_4096] = (512, 512),
        [KeyExchangeMethod.ECP_256] = (64, 32),
        [KeyExchangeMethod.ECP_384] = (96, 48),
        [KeyExchangeMethod.ECP_521] = (132, 66),
        [KeyExchangeMethod.CURVE25519] = (32, 32),
        [KeyExchangeMethod.CURVE448] = (56, 56),
    };

    public static TheoryData<int> Methods => [.. _lengths.Keys.Select(method => (int)method)];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Two_fresh_key_pairs_agree(int number)
    {
        KeyExchangeMethod method = (KeyExchangeMethod)number;
        using KeyPair one = KeyExchanges.Generate(method);
        using KeyPair two = KeyExchanges.Generate(method);
        using Secret secret = one.Derive(two.PublicValue.Span);
        using Secret same = two.Derive(one.PublicValue.Span);
        Assert.True(secret.FixedTimeEquals(same.Span));
        Assert.NotEqual(one.PublicValue.ToArray(), two.PublicValue.ToArray());
        Assert.Equal(method, one.Method);
        Assert.True(KeyExchanges.IsSupported(method));
        Assert.Equal(_lengths[method], (one.PublicValue.Length, secret.Length));
        Assert.Equal(_lengths[method].Public, KeyExchanges.PublicValueLength(method));
    }

    [Theory]
    // RFC 7748 sections 6.1 and 6.2.
    [InlineData(
        (int)KeyExchangeMethod.CURVE25519,
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")]
    [InlineData(
        (int)KeyExchangeMethod.CURVE448,
        "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
        "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0",
        "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d",
        "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
        "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514a879d")]
    // RFC 5903 sections 8.1 to 8.3.
    [InlineData(
        (int)KeyExchangeMethod.ECP_256,
        "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
        "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
        "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
        "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
        "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de")]
    [InlineData(
        (int)KeyExchangeMethod.ECP_384,
        "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
        "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
        "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc",
        "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
        "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746")]
    [InlineData(
        (int)KeyExchangeMethod.ECP_521,
        "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
        "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176ced3e017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
        "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
        "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
        "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea")]
    public void Published_key_pairs_agree_on_the_published_secret(int number, string keyI, string publicI, string keyR, string publicR, string secret)
    {
        KeyExchangeMethod method = (KeyExchangeMethod)number;
        using KeyPair i = Import(method, Hex.Bytes(keyI));
        using KeyPair r = Import(method, Hex.Bytes(keyR));
        Assert.Equal(publicI, Hex.Of(i.PublicValue.Span));
        Assert.Equal(publicR, Hex.Of(r.PublicValue.Span));
        using Secret girI = i.Derive(r.PublicValue.Span);
        using Secret girR = r.Derive(i.PublicValue.Span);
        Assert.Equal(secret, Hex.Of(girI.Span));
        Assert.Equal(secret, Hex.Of(girR.Span));
    }

    [Theory]
    [InlineData((int)KeyExchangeMethod.MODP_2048)]
    [InlineData((int)KeyExchangeMethod.MODP_3072)]
    [InlineData((int)KeyExchangeMethod.MODP_4096)]
    public void MODP_gives_what_arithmetic_with_the_primes_of_RFC_3526_gives(int number)
    {
        KeyExchangeMethod method = (KeyExchangeMethod)number;
        (int length, _) = _lengths[method];
        BigInteger p = Modp.Prime(method);
        BigInteger x = new(Hex.Bytes("7f" + string.Concat(Enumerable.Repeat("c3a55a", 13))), isUnsigned: true, isBigEndian: true);
        using KeyPair pair = Import(method, x.ToByteArray(isUnsigned: true, isBigEndian: true));
        BigInteger ours = BigInteger.ModPow(2, x, p);
        Assert.Equal(Hex.Of(Modp.Bytes(ours, length)), Hex.Of(pair.PublicValue.Span));

        // Peers 2, 4, 8, … until the secret starts with a zero byte, which must not be lost (RFC 7296 §2.14).
        BigInteger peer = 2;
        BigInteger secret = ours;
        while (secret >> ((length - 1) * 8) != 0)
            (peer, secret) = (peer * 2 % p, secret * ours % p);
        using Secret derived = pair.Derive(Modp.Bytes(peer, length));
        Assert.Equal(Hex.Of(Modp.Bytes(secret, length)), Hex.Of(derived.Span));
        Assert.Equal(0, derived.Span[0]);
    }

    [Theory]
    [InlineData((int)KeyExchangeMethod.MODP_2048)]
    [InlineData((int)KeyExchangeMethod.MODP_3072)]
    [InlineData((int)KeyExchangeMethod.MODP_4096)]
    public void MODP_refuses_0_and_1_and_what_is_not_below_p_minus_1(int number)
    {
        KeyExchangeMethod method = (KeyExchangeMethod)number;
        (int length, _) = _lengths[method];
        BigInteger p = Modp.Prime(method);
        using KeyPair pair = KeyExchanges.Generate(method);
        foreach (BigInteger value in (BigInteger[])[0, 1, p - 1, p, p + 1, p + 2, (BigInteger.One << (8 * length)) - 1])
            AssertRefused(pair, Modp.Bytes(value, length), "between 1 and p-1");
        using Secret lowest = pair.Derive(Modp.Bytes(2, length));
        using Secret highest = pair.Derive(Modp.Bytes(p - 2, length));
        Assert.Equal(length, lowest.Length);
        Assert.Equal(length, highest.Length);
    }

    [Theory]
    [InlineData((int)KeyExchangeMethod.ECP_256)]
    [InlineData((int)KeyExchangeMethod.ECP_384)]
    [InlineData((int)KeyExchangeMethod.ECP_521)]
    public void ECP_refuses_points_that_are_not_on_the_curve(int number)
    {
        KeyExchangeMethod method = (KeyExchangeMethod)number;
        using KeyPair pair = KeyExchanges.Generate(method);
        using KeyPair peer = KeyExchanges.Generate(method);
        byte[] value = peer.PublicValue.ToArray();
        value[^1] ^= 1;
        AssertRefused(pair, value, "not a point of the curve");
        AssertRefused(pair, new byte[value.Length], "not a point of the curve");
        AssertRefused(pair, [.. Enumerable.Repeat((byte)0xff, value.Length)], "not a point of the curve");
    }

    [Theory]
    [InlineData((int)KeyExchangeMethod.CURVE25519, "00")]
    [InlineData((int)KeyExchangeMethod.CURVE25519, "01")]
    [InlineData((int)KeyExchangeMethod.CURVE25519, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData((int)KeyExchangeMethod.CURVE25519, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData((int)KeyExchangeMethod.CURVE448, "00")]
    [InlineData((int)KeyExchangeMethod.CURVE448, "01")]
    public void Points_of_small_order_that_make_the_secret_zero_are_refused(int number, string point)
    {
        using KeyPair pair = KeyExchanges.Generate((KeyExchangeMethod)number);
        byte[] value = new byte[pair.PublicValue.Length];
        Hex.Bytes(point).CopyTo(value, 0);
        AssertRefused(pair, value, "not allowed");
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_public_value_of_another_length_is_refused(int number)
    {
        using KeyPair pair = KeyExchanges.Generate((KeyExchangeMethod)number);
        byte[] value = pair.PublicValue.ToArray();
        AssertRefused(pair, value[1..], $"has {value.Length - 1} bytes; {value.Length} are needed");
        AssertRefused(pair, [.. value, 0], $"has {value.Length + 1} bytes; {value.Length} are needed");
        AssertRefused(pair, [], $"has 0 bytes; {value.Length} are needed");
    }

    [Fact]
    public void A_key_of_another_method_is_not_taken_in()
    {
        byte[] der = PrivateKeys.Der(KeyExchangeMethod.ECP_256, Hex.Bytes("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433"));
        Assert.Contains("96 are needed", Assert.Throws<PcpuIpsecException>(() => KeyExchanges.ImportPrivateKey(KeyExchangeMethod.ECP_384, der)).Message);
        PcpuIpsecException refusal = Assert.Throws<PcpuIpsecException>(() => KeyExchanges.ImportPrivateKey(KeyExchangeMethod.ECP_256, [1, 2, 3]));
        Assert.Equal(PcpuIpsecError.CryptoFailure, refusal.Error);
        Assert.Contains("d2i_AutoPrivateKey", refusal.Message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(35)]
    public void Methods_that_are_not_offered_are_refused_by_number(int number)
    {
        KeyExchangeMethod method = (KeyExchangeMethod)number;
        Assert.False(KeyExchanges.IsSupported(method));
        Assert.Equal(PcpuIpsecError.CryptoFailure, Assert.Throws<PcpuIpsecException>(() => KeyExchanges.Generate(method)).Error);
        Assert.Throws<PcpuIpsecException>(() => KeyExchanges.PublicValueLength(method));
    }

    [Fact]
    public void A_disposed_key_pair_derives_nothing()
    {
        KeyPair pair = KeyExchanges.Generate(KeyExchangeMethod.CURVE25519);
        byte[] value = pair.PublicValue.ToArray();
        pair.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pair.Derive(value));
    }

    private static KeyPair Import(KeyExchangeMethod method, byte[] key) => KeyExchanges.ImportPrivateKey(method, PrivateKeys.Der(method, key));

    private static void AssertRefused(KeyPair pair, byte[] value, string part)
    {
        PcpuIpsecException refusal = Assert.Throws<PcpuIpsecException>(() => pair.Derive(value));
        Assert.Equal(PcpuIpsecError.ProtocolViolation, refusal.Error);
        Assert.Contains(part, refusal.Message);
    }
}
