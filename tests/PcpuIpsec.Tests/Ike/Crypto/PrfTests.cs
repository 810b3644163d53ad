using System.Security.Cryptography;
using System.Text;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Crypto;

public class PrfTests
{
    private static readonly string _longKey = string.Concat(Enumerable.Repeat("aa", 131));

    [Theory]
    [MemberData(nameof(Rfc4231))]
    public void The_PRFs_give_what_RFC_4231_section_4_lists(int hash, string key, string text, string expected)
    {
        byte[] output = new byte[Algorithms.OutputLength(Function(hash))];
        Prf.Compute(Function(hash), Hex.Bytes(key), Encoding.ASCII.GetBytes(text), output);
        Assert.Equal(Hex.Plain(expected), Hex.Of(output));
    }

    public static TheoryData<int, string, string, string> Rfc4231 => new()
    {
        { 256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { 384, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There", "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6" },
        { 512, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There", "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
        { 256, "4a656665", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { 384, "4a656665", "what do ya want for nothing?", "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649" },
        { 512, "4a656665", "what do ya want for nothing?", "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
        { 256, _longKey, "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
        { 384, _longKey, "Test Using Larger Than Block-Size Key - Hash Key First", "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952" },
        { 512, _longKey, "Test Using Larger Than Block-Size Key - Hash Key First", "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598" },
    };

    [Fact]
    public void Segments_count_as_one_string()
    {
        byte[] key = [1, 2, 3];
        byte[] whole = new byte[32];
        byte[] two = new byte[32];
        byte[] three = new byte[32];
        Prf.Compute(PseudorandomFunction.PRF_HMAC_SHA2_256, key, "abcdef"u8, whole);
        Prf.Compute(PseudorandomFunction.PRF_HMAC_SHA2_256, key, "ab"u8, "cdef"u8, two);
        Prf.Compute(PseudorandomFunction.PRF_HMAC_SHA2_256, key, "ab"u8, ""u8, "cdef"u8, three);
        Assert.Equal(whole, two);
        Assert.Equal(whole, three);
    }

    [Theory]
    [InlineData(256)]
    [InlineData(384)]
    [InlineData(512)]
    public void Prf_plus_is_the_chain_of_section_2_13_at_every_length(int hash)
    {
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        byte[] seed = "seed of some length"u8.ToArray();
        byte[] expected = Chain(hash, key, seed, 255);
        int block = hash / 8;
        foreach (int length in (int[])[0, 1, block - 1, block, block + 1, (2 * block) + 7, 255 * block])
        {
            using Secret output = Prf.Plus(Function(hash), key, seed, length);
            Assert.Equal(Hex.Of(expected.AsSpan(0, length)), Hex.Of(output.Span));
        }
    }

    [Theory]
    [InlineData((255 * 32) + 1)]
    [InlineData(-1)]
    public void Prf_plus_refuses_what_its_counter_cannot_count(int length)
    {
        PcpuIpsecException refusal = Assert.Throws<PcpuIpsecException>(() => Prf.Plus(PseudorandomFunction.PRF_HMAC_SHA2_256, [1], [2], length));
        Assert.Equal(PcpuIpsecError.CryptoFailure, refusal.Error);
        Assert.Contains("8160", refusal.Message);
    }

    [Fact]
    public void An_unknown_PRF_is_refused_by_name()
        => Assert.Equal(PcpuIpsecError.CryptoFailure, Assert.Throws<PcpuIpsecException>(() => Prf.Compute((PseudorandomFunction)2, [1], [2], new byte[20])).Error);

    internal static PseudorandomFunction Function(int hash) => hash switch
    {
        256 => PseudorandomFunction.PRF_HMAC_SHA2_256,
        384 => PseudorandomFunction.PRF_HMAC_SHA2_384,
        _ => PseudorandomFunction.PRF_HMAC_SHA2_512,
    };

    /// <summary>A second implementation, from the text of RFC 2104 and RFC 7296 §2.13 and nothing but the hashes.</summary>
    internal static byte[] Chain(int hash, byte[] key, byte[] seed, int blocks)
    {
        List<byte> output = [];
        byte[] last = [];
        for (int counter = 1; counter <= blocks; counter++)
        {
            last = PlainHmac(hash, key, [.. last, .. seed, (byte)counter]);
            output.AddRange(last);
        }

        return [.. output];
    }

    internal static byte[] PlainHmac(int hash, byte[] key, byte[] data)
    {
        int blockLength = hash == 256 ? 64 : 128;
        byte[] padded = new byte[blockLength];
        (key.Length > blockLength ? PlainHash(hash, key) : key).CopyTo(padded, 0);
        byte[] inner = PlainHash(hash, [.. padded.Select(b => (byte)(b ^ 0x36)), .. data]);
        return PlainHash(hash, [.. padded.Select(b => (byte)(b ^ 0x5c)), .. inner]);
    }

    private static byte[] PlainHash(int hash, byte[] data) => hash switch
    {
        256 => SHA256.HashData(data),
        384 => SHA384.HashData(data),
        _ => SHA512.HashData(data),
    };
}
