using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Crypto;

public class PacketCipherTests
{
    public static TheoryData<int, int, int> Suites
    {
        get
        {
            TheoryData<int, int, int> suites = new()
            {
                { (int)EncryptionAlgorithm.ENCR_AES_GCM_16, 128, 0 },
                { (int)EncryptionAlgorithm.ENCR_AES_GCM_16, 256, 0 },
                { (int)EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 256, 0 },
            };
            foreach (int integrity in (int[])[12, 13, 14])
            {
                suites.Add((int)EncryptionAlgorithm.ENCR_AES_CBC, 128, integrity);
                suites.Add((int)EncryptionAlgorithm.ENCR_AES_CBC, 256, integrity);
                suites.Add((int)EncryptionAlgorithm.ENCR_NULL, 0, integrity);
            }

            return suites;
        }
    }

    [Theory]
    [MemberData(nameof(Suites))]
    public void What_is_sealed_opens_at_every_length(int encryption, int bits, int integrity)
    {
        Random random = new(1);
        using PacketCipher sender = Create(encryption, bits, integrity, new Random(7));
        using PacketCipher receiver = Create(encryption, bits, integrity, new Random(7));
        for (int length = 0; length <= 300; length += sender.BlockSize)
        {
            Packet packet = new(random, sender, length);
            byte[] text = [.. packet.Text];
            packet.Seal(sender);
            if (encryption != (int)EncryptionAlgorithm.ENCR_NULL && length >= 16)
                Assert.NotEqual(text, packet.Text);
            Assert.True(packet.TryOpen(receiver));
            Assert.Equal(text, packet.Text);
        }
    }

    [Theory]
    [MemberData(nameof(Suites))]
    public void One_flipped_bit_anywhere_is_refused(int encryption, int bits, int integrity)
    {
        Random random = new(2);
        using PacketCipher cipher = Create(encryption, bits, integrity, random);
        foreach (int length in (int[])[0, 16, 48])
        {
            Packet packet = new(random, cipher, length);
            packet.Seal(cipher);
            // An AEAD has the whole ESN in its associated data and no trailer.
            foreach (byte[] part in cipher.IsAead ? [packet.Associated, packet.Iv, packet.Text, packet.Icv] : (byte[][])[packet.Associated, packet.Iv, packet.Text, packet.Trailer, packet.Icv])
            {
                for (int bit = 0; bit < part.Length * 8; bit++)
                {
                    byte[] text = [.. packet.Text];
                    part[bit / 8] ^= (byte)(1 << (bit % 8));
                    Assert.False(packet.TryOpen(cipher));
                    text.CopyTo(packet.Text, 0);
                    if (!ReferenceEquals(part, packet.Text))
                        part[bit / 8] ^= (byte)(1 << (bit % 8));
                }
            }

            Assert.True(packet.TryOpen(cipher));
        }
    }

    [Theory]
    [MemberData(nameof(Suites))]
    public void What_was_sealed_with_other_keys_is_refused(int encryption, int bits, int integrity)
    {
        using PacketCipher cipher = Create(encryption, bits, integrity, new Random(3));
        using PacketCipher other = Create(encryption, bits, integrity, new Random(4));
        Packet packet = new(new Random(5), cipher, 64);
        packet.Seal(cipher);
        Assert.False(packet.TryOpen(other));
    }

    [Theory]
    [MemberData(nameof(Suites))]
    public void Nothing_is_allocated_for_a_packet(int encryption, int bits, int integrity)
    {
        using PacketCipher cipher = Create(encryption, bits, integrity, new Random(6));
        Packet packet = new(new Random(6), cipher, 1408);
        byte[] broken = [.. packet.Icv];
        for (int warm = 0; warm < 50; warm++)
            RoundTrip();

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            RoundTrip();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void RoundTrip()
        {
            packet.Seal(cipher);
            cipher.TryOpen(packet.Associated, packet.Iv, packet.Text, packet.Trailer, packet.Icv);
            cipher.TryOpen(packet.Associated, packet.Iv, packet.Text, packet.Trailer, broken);
        }
    }

    [Theory]
    [MemberData(nameof(Suites))]
    public void A_cipher_declares_what_the_algorithms_declare(int encryption, int bits, int integrity)
    {
        using PacketCipher cipher = Create(encryption, bits, integrity, new Random(8));
        EncryptionAlgorithm algorithm = (EncryptionAlgorithm)encryption;
        Assert.Equal(Algorithms.IvLength(algorithm), cipher.IvLength);
        Assert.Equal(Algorithms.BlockSize(algorithm), cipher.BlockSize);
        Assert.Equal(algorithm.IsAead(), cipher.IsAead);
        Assert.Equal(Algorithms.IcvLength(algorithm, (IntegrityAlgorithm)integrity), cipher.IcvLength);
        Assert.Equal(algorithm == EncryptionAlgorithm.ENCR_AES_CBC, cipher.NeedsRandomIv);
    }

    [Fact]
    public void Unauthentic_plaintext_of_an_AEAD_is_not_left_behind()
    {
        using PacketCipher cipher = Create((int)EncryptionAlgorithm.ENCR_AES_GCM_16, 128, 0, new Random(9));
        Packet packet = new(new Random(9), cipher, 64);
        packet.Seal(cipher);
        packet.Icv[0] ^= 1;
        Assert.False(packet.TryOpen(cipher));
        Assert.Equal(new byte[64], packet.Text);
    }

    [Fact]
    public void A_text_of_AES_CBC_that_is_no_multiple_of_the_block_is_a_bad_packet()
    {
        using PacketCipher cipher = Create((int)EncryptionAlgorithm.ENCR_AES_CBC, 128, 12, new Random(10));
        Assert.False(cipher.TryOpen([], new byte[16], new byte[17], [], new byte[16]));
        Assert.Throws<ArgumentException>("text", () => cipher.Seal([], new byte[16], new byte[17], [], new byte[16]));
    }

    [Theory]
    [MemberData(nameof(Suites))]
    public void A_caller_with_a_wrong_layout_is_told(int encryption, int bits, int integrity)
    {
        using PacketCipher cipher = Create(encryption, bits, integrity, new Random(11));
        Assert.Throws<ArgumentException>("iv", () => cipher.Seal([], new byte[cipher.IvLength + 1], new byte[16], [], new byte[cipher.IcvLength]));
        Assert.Throws<ArgumentException>("icv", () => cipher.TryOpen([], new byte[cipher.IvLength], new byte[16], [], new byte[cipher.IcvLength - 1]));
    }

    [Theory]
    [MemberData(nameof(Suites))]
    public void A_disposed_cipher_says_so_and_does_not_crash(int encryption, int bits, int integrity)
    {
        PacketCipher cipher = Create(encryption, bits, integrity, new Random(12));
        cipher.Dispose();
        cipher.Dispose();
        Assert.Throws<ObjectDisposedException>(() => cipher.Seal([1], new byte[cipher.IvLength], new byte[16], [], new byte[cipher.IcvLength]));
    }

    [Theory]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_GCM_16, 16, 0, 0, "16 bytes; 20 or 36")]
    [InlineData((int)EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 32, 0, 0, "32 bytes; 36")]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_CBC, 24, 12, 32, "24 bytes; 16 or 32")]
    [InlineData((int)EncryptionAlgorithm.ENCR_NULL, 1, 12, 32, "1 bytes; none")]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_CBC, 16, 12, 20, "20 bytes; 32")]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_CBC, 16, 0, 0, "needs an integrity algorithm")]
    [InlineData((int)EncryptionAlgorithm.ENCR_NULL, 0, 0, 0, "needs an integrity algorithm")]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_GCM_16, 20, 12, 32, "takes no integrity algorithm")]
    [InlineData(3, 24, 12, 32, "not available")]
    [InlineData((int)EncryptionAlgorithm.ENCR_AES_CBC, 16, 2, 20, "not available")]
    public void Wrong_keys_and_pairs_are_refused_with_lengths_and_without_bytes(int encryption, int encryptionKey, int integrity, int integrityKey, string part)
    {
        PcpuIpsecException refusal = Assert.Throws<PcpuIpsecException>(() => PacketCiphers.Create(
            (EncryptionAlgorithm)encryption, Filled(encryptionKey), (IntegrityAlgorithm)integrity, Filled(integrityKey)));
        Assert.Equal(PcpuIpsecError.CryptoFailure, refusal.Error);
        Assert.Contains(part, refusal.Message);
        Assert.DoesNotContain("5A", refusal.Message, StringComparison.OrdinalIgnoreCase);

        static byte[] Filled(int length) => [.. Enumerable.Repeat((byte)0x5a, length)];
    }

    private static PacketCipher Create(int encryption, int bits, int integrity, Random random)
    {
        byte[] encryptionKey = new byte[Algorithms.KeyLength((EncryptionAlgorithm)encryption, bits)];
        byte[] integrityKey = new byte[Algorithms.KeyLength((IntegrityAlgorithm)integrity)];
        random.NextBytes(encryptionKey);
        random.NextBytes(integrityKey);
        return PacketCiphers.Create((EncryptionAlgorithm)encryption, encryptionKey, (IntegrityAlgorithm)integrity, integrityKey);
    }

    private sealed class Packet
    {
        public Packet(Random random, PacketCipher cipher, int length)
        {
            (Associated, Iv, Text, Trailer, Icv) = (new byte[8], new byte[cipher.IvLength], new byte[length], cipher.IsAead ? [] : new byte[4], new byte[cipher.IcvLength]);
            random.NextBytes(Associated);
            random.NextBytes(Iv);
            random.NextBytes(Text);
            random.NextBytes(Trailer);
        }

        public byte[] Associated { get; }

        public byte[] Iv { get; }

        public byte[] Text { get; }

        public byte[] Trailer { get; }

        public byte[] Icv { get; }

        public void Seal(PacketCipher cipher) => cipher.Seal(Associated, Iv, Text, Trailer, Icv);

        public bool TryOpen(PacketCipher cipher) => cipher.TryOpen(Associated, Iv, Text, Trailer, Icv);
    }
}
