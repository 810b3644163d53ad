using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Ike.Crypto;

public class LibCryptoTests
{
    [Fact]
    public void A_missing_library_is_named() => Assert.Contains("libnothing.so.9", LibCrypto.ObstacleOf("libnothing.so.9"));

    [Fact]
    public void A_library_without_OpenSSL_3_in_it_is_named_as_too_old() => Assert.Contains("older than OpenSSL 3.0", LibCrypto.ObstacleOf("libc.so.6"));

    [Fact]
    public void The_host_s_library_is_good_enough()
    {
        Assert.Null(LibCrypto.ObstacleOf("libcrypto.so.3"));
        LibCrypto.EnsureUsable();
    }

    [Fact]
    public void An_algorithm_that_the_library_lacks_is_named_with_its_reason()
    {
        PcpuIpsecException failure = Assert.Throws<PcpuIpsecException>(() => LibCrypto.CipherContext.Create("ROT-13", [1], encrypt: true));
        Assert.Equal(PcpuIpsecError.CryptoFailure, failure.Error);
        Assert.Contains("ROT-13", failure.Message);
        Assert.Contains("unsupported", failure.Message);
    }

    [Fact]
    public void The_random_source_fills_all_of_the_span_anew_each_time()
    {
        SystemRandom random = new();
        byte[] one = new byte[64];
        byte[] two = new byte[64];
        random.Fill(one);
        random.Fill(two);
        Assert.NotEqual(one, two);
        Assert.Contains(one[56..], b => b != 0);
    }
}
