using System.Net;
using System.Security.Cryptography;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Tests.Ike.Crypto;

public class NatHashTests
{
    [Theory]
    [InlineData("192.0.2.1", "c0000201")]
    [InlineData("::ffff:192.0.2.1", "c0000201")]
    [InlineData("2001:db8::1", "20010db8000000000000000000000001")]
    public void The_hash_covers_both_SPIs_the_address_and_the_port_in_network_order(string address, string bytes)
    {
        byte[] hash = new byte[NatHash.Length];
        NatHash.Compute(0x0102030405060708, 0x1112131415161718, IPAddress.Parse(address), 4500, hash);
        Assert.Equal(SHA1.HashData(Hex.Bytes($"0102030405060708 1112131415161718 {bytes} 1194")), hash);
    }
}
