using System.Net;
using PcpuIpsec.Steering;

namespace PcpuIpsec.Tests.Steering;

public sealed class ToeplitzTests
{
    /// <summary>The key and the vectors of Microsoft's "Verifying the RSS hash calculation".</summary>
    internal static readonly byte[] Key = Convert.FromHexString("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa");

    private static readonly IPAddress _west = IPAddress.Parse("192.0.2.1"), _east = IPAddress.Parse("192.0.2.2");

    [Theory]
    [InlineData("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323e8fc2, 0x51ccc178)]
    [InlineData("199.92.111.2", 14230, "65.69.140.83", 4739, 0xd718262a, 0xc626b0ea)]
    [InlineData("24.19.198.95", 12898, "12.22.207.184", 38024, 0xd2d0a5de, 0x5c2b394a)]
    [InlineData("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xafc7327f)]
    [InlineData("153.39.163.191", 44251, "202.188.127.2", 1303, 0x5d1809c5, 0x10e828a2)]
    [InlineData("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2cc18cd5, 0x40207d3d)]
    [InlineData("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0f0c461c, 0xdde51bbf)]
    [InlineData("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4b61e985, 0x02d1feef)]
    public void The_published_vectors_come_out(string source, ushort sourcePort, string destination, ushort destinationPort, uint ofAddresses, uint ofPorts)
    {
        var toeplitz = new Toeplitz(Key);
        Assert.Equal(ofAddresses, toeplitz.Hash(IPAddress.Parse(source), IPAddress.Parse(destination)));
        Assert.Equal(ofPorts, toeplitz.Hash(IPAddress.Parse(source), IPAddress.Parse(destination), sourcePort, destinationPort));
        // The SPI takes the ports' place, first the one's bytes and then the other's.
        Assert.Equal(ofPorts, toeplitz.Hash(IPAddress.Parse(source), IPAddress.Parse(destination), ((uint)sourcePort << 16) | destinationPort));
    }

    [Theory]
    [InlineData((byte)RssTransform.SymmetricXor)]
    [InlineData((byte)RssTransform.SymmetricOrXor)]
    public void A_symmetric_hash_is_the_same_both_ways_and_still_tells_SPIs_apart(byte value)
    {
        var transform = (RssTransform)value;
        var toeplitz = new Toeplitz(Key);
        Assert.Equal(toeplitz.Hash(_west, _east, 10, 20, transform), toeplitz.Hash(_east, _west, 20, 10, transform));
        Assert.NotEqual(toeplitz.Hash(_west, _east, 10, 20), toeplitz.Hash(_east, _west, 20, 10));
        Assert.NotEqual(toeplitz.Hash(_west, _east, 256u, transform), toeplitz.Hash(_west, _east, 257u, transform));
    }

    [Fact]
    public void The_symmetric_inputs_are_those_that_ethtool_documents()
    {
        var toeplitz = new Toeplitz(Key);
        byte[] or = [192, 0, 2, 3], xor = [0, 0, 0, 3];
        Assert.Equal(toeplitz.Hash([.. xor, .. xor]), toeplitz.Hash(_west, _east, RssTransform.SymmetricXor));
        Assert.Equal(toeplitz.Hash([.. or, .. xor]), toeplitz.Hash(_west, _east, RssTransform.SymmetricOrXor));
    }

    [Fact]
    public void What_cannot_be_hashed_is_refused_with_the_value()
    {
        Assert.Contains("16 bytes", Assert.Throws<PcpuIpsecException>(() => new Toeplitz(Key.AsSpan(0, 16))).Message);
        Assert.Contains("::1", Assert.Throws<PcpuIpsecException>(() => new Toeplitz(Key).Hash(_west, IPAddress.IPv6Loopback)).Message);
        Assert.Contains("100 entries", Assert.Throws<PcpuIpsecException>(() => new RssPlacement(Key, new int[100])).Message);
        Assert.Contains("4", Assert.Throws<PcpuIpsecException>(() => new RssPlacement(Key, new int[128], (RssTransform)4)).Message);
    }
}
