using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Tests.Ike.Simulation;

namespace PcpuIpsec.Tests.Ike;

/// <summary>The comparisons on which both ends must agree.</summary>
public class AgreementTests
{
    [Theory]
    [InlineData("02", "09", "03", "04", true)]
    [InlineData("09", "02", "03", "04", true)]
    [InlineData("03", "04", "02", "09", false)]
    [InlineData("03", "04", "09", "02", false)]
    [InlineData("0100", "09", "01", "09", false)]
    [InlineData("01ff", "09", "02", "03", true)]
    public void The_exchange_with_the_lowest_of_the_four_nonces_loses(string ni, string nr, string otherNi, string otherNr, bool loses)
    {
        // RFC 7296 §2.8.1: octet by octet, and where one is a prefix of the other the shorter is lower.
        ExchangeNonces one = new(Convert.FromHexString(ni), Convert.FromHexString(nr));
        ExchangeNonces other = new(Convert.FromHexString(otherNi), Convert.FromHexString(otherNr));
        Assert.Equal(loses, one.LosesAgainst(other));
        Assert.Equal(!loses, other.LosesAgainst(one));
    }

    [Fact]
    public void A_group_has_one_mode_suite_and_pair_of_selectors()
    {
        ChildSaTerms terms = new()
        {
            InboundSpi = 0x1000,
            OutboundSpi = 0x2000,
            Suite = new ChosenSuite(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, true),
            Mode = IpsecMode.Tunnel,
            LocalSelectors = [TrafficSelector.Parse("10.1.0.0/24")],
            RemoteSelectors = [TrafficSelector.Parse("10.2.0.0/24")],
            Cpu = null,
            IsFallback = true,
        };
        Assert.True((terms with { InboundSpi = 0x3000, OutboundSpi = 0x4000, Cpu = 3, IsFallback = false }).HasPropertiesOf(terms));
        Assert.True((terms with { Suite = terms.Suite with { KeyExchange = KeyExchangeMethod.CURVE25519 } }).HasPropertiesOf(terms));
        Assert.True((terms with { RemoteSelectors = [TrafficSelector.Parse("10.2.0.128/25"), TrafficSelector.Parse("10.2.0.0/25")] }).HasPropertiesOf(terms));
        Assert.False((terms with { Mode = IpsecMode.Transport }).HasPropertiesOf(terms));
        Assert.False((terms with { Suite = terms.Suite with { KeyBits = 256 } }).HasPropertiesOf(terms));
        Assert.False((terms with { Suite = terms.Suite with { Esn = false } }).HasPropertiesOf(terms));
        Assert.False((terms with { LocalSelectors = [TrafficSelector.Parse("10.1.0.0/25")] }).HasPropertiesOf(terms));
        Assert.False((terms with { RemoteSelectors = [TrafficSelector.Parse("10.2.0.0/25")] }).HasPropertiesOf(terms));
    }

    [Fact]
    public void A_cookie_is_good_for_the_nonce_address_and_SPI_that_it_was_made_for()
    {
        IkeRuntime runtime = new(new SeededRandom(1));
        IkeCookies cookies = new(runtime);
        IPEndPoint remote = new(IPAddress.Parse("192.0.2.1"), 500);
        byte[] nonce = [1, 2, 3, 4];
        byte[] cookie = cookies.Make(7, remote, nonce);
        byte[] forged = [.. cookie[..^1], (byte)(cookie[^1] ^ 1)];
        Assert.True(Accepts(cookie, 7, remote, nonce));
        Assert.False(Accepts(forged, 7, remote, nonce));
        Assert.False(Accepts(cookie, 8, remote, nonce));
        Assert.False(Accepts(cookie, 7, new IPEndPoint(IPAddress.Parse("192.0.2.2"), 500), nonce));
        Assert.False(Accepts(cookie, 7, remote, [1, 2, 3, 5]));

        // The secret before the present one still holds, that before it does not.
        foreach (int minutes in (int[])[1, 2])
        {
            runtime.Begin(TimeSpan.FromMinutes(minutes), []);
            cookies.Make(9, remote, nonce);
            Assert.Equal(minutes == 1, Accepts(cookie, 7, remote, nonce));
        }

        bool Accepts(byte[] data, ulong spi, IPEndPoint from, byte[] ni) => cookies.Accepts([new NotifyPayload(NotifyType.COOKIE, data)], spi, from, ni);
    }
}
