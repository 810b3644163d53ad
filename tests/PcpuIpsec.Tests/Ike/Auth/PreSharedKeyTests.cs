using System.Text;
using PcpuIpsec.Ike.Auth;
using PcpuIpsec.Tests.Ike.Crypto;

namespace PcpuIpsec.Tests.Ike.Auth;

public class PreSharedKeyTests
{
    private static readonly byte[] _message = [.. Enumerable.Range(0, 300).Select(i => (byte)i)];
    private static readonly byte[] _nonce = [.. Enumerable.Range(7, 32).Select(i => (byte)i)];
    private static readonly byte[] _skP = [.. Enumerable.Range(90, 32).Select(i => (byte)i)];
    private static readonly byte[] _identity = [2, 0, 0, 0, .. "west.example"u8];

    [Theory]
    [InlineData(256)]
    [InlineData(384)]
    [InlineData(512)]
    public void Signed_octets_and_AUTH_are_those_of_section_2_15(int hash)
    {
        using Secret skP = Secret.CopyOf(_skP);
        using Secret psk = Secret.CopyOf("correct horse"u8);
        byte[] octets = SignedOctets.Compute(PrfTests.Function(hash), _message, _nonce, skP, _identity);
        Assert.Equal([.. _message, .. _nonce, .. PrfTests.PlainHmac(hash, _skP, _identity)], octets);

        byte[] auth = PreSharedKey.Compute(PrfTests.Function(hash), psk, octets);
        byte[] padded = PrfTests.PlainHmac(hash, Encoding.ASCII.GetBytes("correct horse"), Encoding.ASCII.GetBytes("Key Pad for IKEv2"));
        Assert.Equal(PrfTests.PlainHmac(hash, padded, octets), auth);
        Assert.True(PreSharedKey.Verify(PrfTests.Function(hash), psk, octets, auth));
    }

    [Fact]
    public void AUTH_of_another_key_another_identity_or_another_length_is_refused()
    {
        using Secret skP = Secret.CopyOf(_skP);
        using Secret psk = Secret.CopyOf("correct horse"u8);
        using Secret other = Secret.CopyOf("correct horsf"u8);
        byte[] octets = SignedOctets.Compute(PrfTests.Function(256), _message, _nonce, skP, _identity);
        byte[] auth = PreSharedKey.Compute(PrfTests.Function(256), psk, octets);

        Assert.False(PreSharedKey.Verify(PrfTests.Function(256), other, octets, auth));
        Assert.False(PreSharedKey.Verify(PrfTests.Function(384), psk, octets, auth));
        Assert.False(PreSharedKey.Verify(PrfTests.Function(256), psk, SignedOctets.Compute(PrfTests.Function(256), _message, _nonce, skP, [3, .. _identity[1..]]), auth));
        Assert.False(PreSharedKey.Verify(PrfTests.Function(256), psk, octets, auth[..^1]));
        Assert.False(PreSharedKey.Verify(PrfTests.Function(256), psk, octets, []));
        for (int bit = 0; bit < auth.Length * 8; bit++)
        {
            auth[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(PreSharedKey.Verify(PrfTests.Function(256), psk, octets, auth));
            auth[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }
}
