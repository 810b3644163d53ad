using System.Text;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Crypto;

public class PacketCipherVectorTests
{
    private const string GcmText = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";

    private static readonly string _sunscreen = Hex.Of(Encoding.ASCII.GetBytes(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."));

    public static TheoryData<string, int, string, string, string, string, string, string> Aeads => new()
    {
        // The GCM specification (McGrew, Viega), appendix B. The nonce is cut into our salt and IV.
        { "case 1", 20, "00000000000000000000000000000000 00000000", "", "0000000000000000", "", "", "58e2fccefa7e3061367f1d57a4e7455a" },
        {
            "case 4", 20, "feffe9928665731c6d6a8f9467308308 cafebabe", "feedfacedeadbeeffeedfacedeadbeefabaddad2", "facedbaddecaf888", GcmText,
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
            "5bc94fbc3221a5db94fae95ae7121a47"
        },
        {
            "case 16", 20, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308 cafebabe", "feedfacedeadbeeffeedfacedeadbeefabaddad2", "facedbaddecaf888", GcmText,
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b"
        },
        // draft-mcgrew-gcm-test-01: an ESP packet as RFC 4106 has it, with an ESN in the AAD.
        {
            "ESP", 20, "4c80cdefbb5d10da906ac73c3613a634 2e443b68", "00004321 87654321 00000000", "4956ed7e3b244cfe",
            "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000 00000000045f736970045f756470037369700963796265726369747902646b00 0021000101020201",
            "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732",
            "459018148f6cbe722fd04796562dfdb4"
        },
        // RFC 7634 appendix A: ESP.
        {
            "ChaCha ESP", 28, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3", "0102030400000005", "1011121314151617",
            "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637 01020204",
            "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0",
            "76aaa8266b7fb0f7b11b369907e1ad43"
        },
        // RFC 7634 appendix B: the SK payload of IKE.
        {
            "ChaCha IKE", 28, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3",
            "c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029", "1011121314151617",
            "0000000c000040010000000a00", "610394701f8d017f7c12924889", "6b71bfe25236efd7cdc67066906315b2"
        },
        // RFC 7539 (8439) section 2.8.2.
        {
            "ChaCha AEAD", 28, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f 07000000", "50515253c0c1c2c3c4c5c6c7", "4041424344454647", _sunscreen,
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
            "1ae10b594f09e26a7e902ecbd0600691"
        },
    };

    [Theory]
    [MemberData(nameof(Aeads))]
    public void AEADs_seal_and_open_the_published_packets(string name, int algorithm, string key, string associated, string iv, string text, string ciphertext, string icv)
    {
        Assert.NotEmpty(name);
        using PacketCipher cipher = PacketCiphers.Create((EncryptionAlgorithm)algorithm, Hex.Bytes(key), IntegrityAlgorithm.NONE, []);
        byte[] data = Hex.Bytes(text);
        byte[] tag = new byte[16];
        cipher.Seal(Hex.Bytes(associated), Hex.Bytes(iv), data, [], tag);
        Assert.Equal(Hex.Plain(ciphertext), Hex.Of(data));
        Assert.Equal(Hex.Plain(icv), Hex.Of(tag));
        Assert.True(cipher.TryOpen(Hex.Bytes(associated), Hex.Bytes(iv), data, [], tag));
        Assert.Equal(Hex.Plain(text), Hex.Of(data));
    }

    [Theory]
    // RFC 3602 section 4, cases 1 and 2; NIST SP 800-38A F.2.5.
    [InlineData("06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41", "53696e676c6520626c6f636b206d7367", "e353779c1079aeb82708942dbe77181a")]
    [InlineData("c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1")]
    [InlineData(
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "000102030405060708090a0b0c0d0e0f",
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b")]
    public void AES_CBC_gives_what_RFC_3602_and_SP_800_38A_list(string key, string iv, string text, string ciphertext)
    {
        using PacketCipher cipher = PacketCiphers.Create(EncryptionAlgorithm.ENCR_AES_CBC, Hex.Bytes(key), IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, new byte[32]);
        byte[] data = Hex.Bytes(text);
        byte[] icv = new byte[16];
        cipher.Seal([], Hex.Bytes(iv), data, [], icv);
        Assert.Equal(ciphertext, Hex.Of(data));
        Assert.True(cipher.TryOpen([], Hex.Bytes(iv), data, [], icv));
        Assert.Equal(text, Hex.Of(data));
    }

    [Theory]
    [InlineData((int)IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, 256)]
    [InlineData((int)IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192, 384)]
    [InlineData((int)IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256, 512)]
    public void Separate_integrity_covers_associated_data_IV_ciphertext_and_trailer_in_this_order(int integrity, int hash)
    {
        byte[] encryptionKey = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        byte[] integrityKey = [.. Enumerable.Range(100, hash / 8).Select(i => (byte)i)];
        byte[] associated = [1, 2, 3, 4, 0, 0, 0, 9];
        byte[] iv = [.. Enumerable.Range(50, 16).Select(i => (byte)i)];
        byte[] trailer = [0, 0, 0, 7];
        byte[] icv = new byte[hash / 16];

        using PacketCipher cbc = PacketCiphers.Create(EncryptionAlgorithm.ENCR_AES_CBC, encryptionKey, (IntegrityAlgorithm)integrity, integrityKey);
        byte[] text = new byte[48];
        cbc.Seal(associated, iv, text, trailer, icv);
        Assert.Equal(PrfTests.PlainHmac(hash, integrityKey, [.. associated, .. iv, .. text, .. trailer])[..(hash / 16)], icv);

        using PacketCipher none = PacketCiphers.Create(EncryptionAlgorithm.ENCR_NULL, [], (IntegrityAlgorithm)integrity, integrityKey);
        none.Seal(associated, [], text, trailer, icv);
        Assert.Equal(PrfTests.PlainHmac(hash, integrityKey, [.. associated, .. text, .. trailer])[..(hash / 16)], icv);
    }

    [Fact]
    public void HMAC_SHA_256_128_gives_what_RFC_4868_section_2_7_2_1_lists()
    {
        using PacketCipher cipher = PacketCiphers.Create(
            EncryptionAlgorithm.ENCR_NULL, [], IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, Hex.Bytes(string.Concat(Enumerable.Repeat("0b", 32))));
        byte[] icv = new byte[16];
        cipher.Seal("Hi "u8, [], "There"u8.ToArray(), [], icv);
        Assert.Equal("198a607eb44bfbc69903a0f1cf2bbdc5", Hex.Of(icv));
    }
}
