using System.Security.Cryptography;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Ike;
using static PcpuIpsec.Tests.Esp.Packets.EspSamples;

namespace PcpuIpsec.Tests.Esp.Packets;

/// <summary>Packets that others published.</summary>
public sealed class EspVectorTests
{
    private readonly byte[] _opened = new byte[2000];

    [Fact]
    public void Opens_the_packet_of_RFC_7634_appendix_A()
    {
        SaInstallation sa = Published(2, 0x01020304, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3", IpsecMode.Tunnel, esn: false);
        using InboundSa inbound = new(sa);
        byte[] esp = Convert.FromHexString(
            "0102030400000005" + "1011121314151617"
            + "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7"
            + "2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0" + "76aaa8266b7fb0f7b11b369907e1ad43");
        Assert.Equal(EspVerdict.Ok, inbound.Open(esp, 0, sa.Outer(), _opened, out int length, out _));
        Assert.Equal(
            "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f1011121314151617"
            + "18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
            Convert.ToHexStringLower(_opened.AsSpan(0, length)));
    }

    // draft-mcgrew-gcm-test-01 §4: what is inside has next header 1 behind it, so these are transport mode.
    [Theory]
    [InlineData(
        0, "4c80cdefbb5d10da906ac73c3613a6342e443b68", 0x00004321u, 0x8765432100000000ul, true, "4956ed7e3b244cfe",
        "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732459018148f6cbe722fd04796562dfdb4",
        "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f756470037369700963796265726369747902646b0000210001")]
    [InlineData(
        0, "feffe9928665731c6d6a8f9467308308cafebabe", 0x0000a5f8u, 0x0000000aul, false, "facedbaddecaf888",
        "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a",
        "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000037369700963796265726369747902646b0000010001")]
    [InlineData(
        1, "abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344", 0x4a2cbfe3u, 0x00000002ul, false, "0102030405060708",
        "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c4915956c96",
        "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b401010402")]
    public void Opens_the_packets_of_draft_mcgrew_gcm_test(int suite, string key, uint spi, ulong sequence, bool esn, string iv, string ciphertextAndIcv, string payload)
    {
        SaInstallation sa = Published(suite, spi, key, IpsecMode.Transport, esn);
        using InboundSa inbound = new(sa, highestSequence: sequence - 1);
        byte[] esp = Convert.FromHexString($"{spi:x8}{(uint)sequence:x8}{iv}{ciphertextAndIcv}");
        Assert.Equal(EspVerdict.Ok, inbound.Open(esp, 0, sa.Outer(), _opened, out int length, out _));
        Assert.Equal(1, _opened[9]);
        Assert.Equal(payload, Convert.ToHexStringLower(_opened.AsSpan(20, length - 20)));
    }

    [Fact]
    public void Builds_the_packet_of_RFC_3602_case_5_with_an_ICV_behind_it()
    {
        // The published packet is without integrity: .NET's HMAC says what its ICV is.
        byte[] integrityKey = new byte[32];
        SaInstallation sa = Sa(3, mode: IpsecMode.Transport) with
        {
            Spi = 0x4321,
            EncryptionKey = Secret.CopyOf(Convert.FromHexString("90d382b410eeba7ad938c46cec1a82bf")),
            IntegrityKey = Secret.CopyOf(integrityKey),
        };
        byte[] published = Convert.FromHexString(
            "0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856"
            + "a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6");
        byte[] ping = Convert.FromHexString(
            "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637");
        byte[] expected = [.. published, .. HMACSHA256.HashData(integrityKey, published)[..16]];

        using OutboundSa outbound = new(sa, 1, new Repeating("e96e8c08ab465763fd098d45dd3ff893"));
        byte[] esp = new byte[200];
        Assert.Equal(EspVerdict.Ok, outbound.Protect(0, V4(1, ping, "192.168.123.3", "192.168.123.100"), esp, out int length, out _));
        Assert.Equal(Convert.ToHexStringLower(expected), Convert.ToHexStringLower(esp.AsSpan(0, length)));

        using InboundSa inbound = new(sa.Other());
        Assert.Equal(EspVerdict.Ok, inbound.Open(expected, 0, sa.Outer(), _opened, out length, out _));
        Assert.Equal(ping, _opened[20..length]);
    }

    private static SaInstallation Published(int suite, uint spi, string key, IpsecMode mode, bool esn)
        => Sa(suite, esn, mode: mode, direction: SaDirection.Inbound) with
        {
            Spi = spi,
            EncryptionKey = Secret.CopyOf(Convert.FromHexString(key)),
        };

    private sealed class Repeating(string hex) : IRandomSource
    {
        private readonly byte[] _bytes = Convert.FromHexString(hex);

        public void Fill(Span<byte> destination)
        {
            for (int i = 0; i < destination.Length; i++)
                destination[i] = _bytes[i % _bytes.Length];
        }
    }
}
