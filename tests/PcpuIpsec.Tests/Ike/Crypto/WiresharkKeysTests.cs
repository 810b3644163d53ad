using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Crypto;

public sealed class WiresharkKeysTests : IDisposable
{
    private static readonly (EncryptionAlgorithm Encryption, int Bits, IntegrityAlgorithm Integrity)[] _suites =
    [
        (EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE),
        (EncryptionAlgorithm.ENCR_AES_GCM_16, 256, IntegrityAlgorithm.NONE),
        (EncryptionAlgorithm.ENCR_AES_CBC, 128, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128),
        (EncryptionAlgorithm.ENCR_AES_CBC, 256, IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192),
        (EncryptionAlgorithm.ENCR_AES_CBC, 256, IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256),
        (EncryptionAlgorithm.ENCR_NULL, 0, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128),
    ];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pcpu-tshark-");

    public void Dispose() => _folder.Delete(recursive: true);

    [TsharkFact]
    public void Tshark_decrypts_IKE_with_the_exported_keys_and_finds_every_checksum_right()
    {
        using StreamWriter table = new(Path.Combine(_folder.FullName, WiresharkKeys.IkeFile));
        using FileStream capture = StartCapture();
        for (int i = 0; i < _suites.Length; i++)
        {
            ulong spiI = 0xa000000000000001 + (ulong)i;
            ulong spiR = 0xb000000000000001 + (ulong)i;
            using IkeSaKeys keys = Keys(_suites[i], spiI, spiR);
            table.WriteLine(WiresharkKeys.IkeSa(spiI, spiR, keys));
            using PacketCipher cipher = keys.CipherOfInitiator();
            // One SA_RESOURCE_INFO notify (RFC 9611 §4.1) with four bytes of identifier.
            Write(capture, 17, Udp(500, 500, IkeMessage(cipher, spiI, spiR, Hex.Bytes("0000000c 0000403c 0badcafe"))));
        }

        table.Close();
        capture.Close();
        string[] lines = Tshark("-T", "fields", "-e", "isakmp.notify.msgtype", "-e", "isakmp.notify.data", "-e", "_ws.expert.message");
        Assert.Equal(_suites.Length, lines.Length);
        Assert.All(lines, line =>
        {
            Assert.StartsWith("16444\t0badcafe", line);
            Assert.DoesNotContain("ncorrect", line);
        });
    }

    [TsharkFact]
    public void Tshark_decrypts_ESP_with_the_exported_keys_and_finds_every_ICV_right()
    {
        using StreamWriter table = new(Path.Combine(_folder.FullName, WiresharkKeys.EspFile));
        using FileStream capture = StartCapture();
        for (int i = 0; i < _suites.Length; i++)
        {
            (EncryptionAlgorithm encryption, int bits, IntegrityAlgorithm integrity) = _suites[i];
            SaInstallation sa = Sa(encryption, bits, integrity, 0x1000u + (uint)i);
            table.WriteLine(WiresharkKeys.EspSa(sa));
            using PacketCipher cipher = PacketCiphers.Create(encryption, sa.EncryptionKey.Span, integrity, sa.IntegrityKey.Span);
            Write(capture, 50, EspPacket(cipher, sa.Spi));
        }

        table.Close();
        capture.Close();
        string[] lines = Tshark(
            "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE", "-T", "fields", "-e", "ip.src", "-e", "udp.dstport", "-e", "esp.icv_good", "-e", "esp.icv_bad");
        Assert.Equal(_suites.Length, lines.Length);
        Assert.All(lines, line => Assert.Equal("10.1.0.1,10.9.0.1\t4242\t1\t0", line));
    }

    [Fact]
    public void An_IKE_SA_with_ChaCha20_gives_no_line_since_Wireshark_cannot_decrypt_it()
    {
        using IkeSaKeys keys = Keys((EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 256, IntegrityAlgorithm.NONE), 1, 2);
        Assert.Null(WiresharkKeys.IkeSa(1, 2, keys));
    }

    [Fact]
    public void An_IPv6_ESP_SA_is_said_to_be_one()
    {
        SaInstallation sa = Sa(EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 256, IntegrityAlgorithm.NONE, 0xab) with
        {
            Source = IPAddress.Parse("2001:db8::1"),
            Destination = IPAddress.Parse("2001:db8::2"),
        };
        Assert.Equal(
            $"\"IPv6\",\"2001:db8::1\",\"2001:db8::2\",\"0x000000ab\",\"ChaCha20 with Poly1305 [RFC7634]\",\"0x{Hex.Of(sa.EncryptionKey.Span)}\",\"NULL\",\"\"",
            WiresharkKeys.EspSa(sa));
    }

    private static IkeSaKeys Keys((EncryptionAlgorithm Encryption, int Bits, IntegrityAlgorithm Integrity) suite, ulong spiI, ulong spiR) => IkeSaKeys.Derive(
        new ChosenSuite(suite.Encryption, suite.Bits, suite.Integrity, PseudorandomFunction.PRF_HMAC_SHA2_256, KeyExchangeMethod.CURVE25519, false),
        new byte[32], [1, 2, 3], [4, 5, 6], spiI, spiR);

    private static SaInstallation Sa(EncryptionAlgorithm encryption, int bits, IntegrityAlgorithm integrity, uint spi) => new()
    {
        Direction = SaDirection.Outbound,
        Connection = "test",
        Spi = spi,
        Source = IPAddress.Parse("10.1.0.1"),
        Destination = IPAddress.Parse("10.1.0.2"),
        Suite = new ChosenSuite(encryption, bits, integrity, null, KeyExchangeMethod.NONE, false),
        EncryptionKey = Secret.CopyOf([.. Enumerable.Range(1, Algorithms.KeyLength(encryption, bits)).Select(i => (byte)i)]),
        IntegrityKey = Secret.CopyOf([.. Enumerable.Range(99, Algorithms.KeyLength(integrity)).Select(i => (byte)i)]),
        Mode = IpsecMode.Tunnel,
        LocalSelectors = [],
        RemoteSelectors = [],
    };

    /// <summary>An INFORMATIONAL request with an SK payload (RFC 7296 §3.1, §3.14).</summary>
    private static byte[] IkeMessage(PacketCipher cipher, ulong spiI, ulong spiR, byte[] payloads)
    {
        const byte Sk = 46, Notify = 41, Version2 = 0x20, Informational = 37, Initiator = 0x08;
        int padding = (cipher.BlockSize - ((payloads.Length + 1) % cipher.BlockSize)) % cipher.BlockSize;
        byte[] text = [.. payloads, .. new byte[padding], (byte)padding];
        byte[] iv = [.. Enumerable.Range(1, cipher.IvLength).Select(i => (byte)i)];
        byte[] message = new byte[32 + iv.Length + text.Length + cipher.IcvLength];
        BinaryPrimitives.WriteUInt64BigEndian(message, spiI);
        BinaryPrimitives.WriteUInt64BigEndian(message.AsSpan(8), spiR);
        (message[16], message[17], message[18], message[19], message[23]) = (Sk, Version2, Informational, Initiator, 2);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(24), (uint)message.Length);
        message[28] = Notify;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(30), (ushort)(message.Length - 28));
        Span<byte> icv = message.AsSpan(message.Length - cipher.IcvLength);
        cipher.Seal(message.AsSpan(0, 32), iv, text, [], icv);
        iv.CopyTo(message, 32);
        text.CopyTo(message, 32 + iv.Length);
        return message;
    }

    /// <summary>An inner IPv4 and UDP packet in tunnel mode (RFC 4303 §2).</summary>
    private static byte[] EspPacket(PacketCipher cipher, uint spi)
    {
        byte[] inner = Ip(17, IPAddress.Parse("10.9.0.1"), IPAddress.Parse("10.9.0.2"), Udp(4242, 4242, "hello"u8.ToArray()));
        int align = Math.Max(4, cipher.BlockSize);
        int padding = (align - ((inner.Length + 2) % align)) % align;
        byte[] text = [.. inner, .. Enumerable.Range(1, padding).Select(i => (byte)i), (byte)padding, 4];
        byte[] header = new byte[8];
        BinaryPrimitives.WriteUInt32BigEndian(header, spi);
        header[7] = 1;
        byte[] iv = [.. Enumerable.Range(1, cipher.IvLength).Select(i => (byte)i)];
        byte[] icv = new byte[cipher.IcvLength];
        cipher.Seal(header, iv, text, [], icv);
        return [.. header, .. iv, .. text, .. icv];
    }

    private static byte[] Udp(ushort source, ushort destination, byte[] data)
    {
        byte[] header = new byte[8];
        BinaryPrimitives.WriteUInt16BigEndian(header, source);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(2), destination);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(4), (ushort)(8 + data.Length));
        return [.. header, .. data];
    }

    private static byte[] Ip(byte protocol, IPAddress source, IPAddress destination, byte[] data)
    {
        byte[] header = new byte[20];
        (header[0], header[8], header[9]) = (0x45, 64, protocol);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(2), (ushort)(20 + data.Length));
        source.TryWriteBytes(header.AsSpan(12), out _);
        destination.TryWriteBytes(header.AsSpan(16), out _);
        return [.. header, .. data];
    }

    /// <summary>A classic pcap of raw IP packets (link type 101).</summary>
    private FileStream StartCapture()
    {
        FileStream capture = File.Create(Path.Combine(_folder.FullName, "capture.pcap"));
        capture.Write(Hex.Bytes("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000"));
        return capture;
    }

    private static void Write(FileStream capture, byte protocol, byte[] data)
    {
        byte[] packet = Ip(protocol, IPAddress.Parse("10.1.0.1"), IPAddress.Parse("10.1.0.2"), data);
        byte[] record = new byte[16];
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(8), packet.Length);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(12), packet.Length);
        capture.Write([.. record, .. packet]);
    }

    private string[] Tshark(params string[] arguments)
    {
        ProcessStartInfo start = new("tshark", ["-r", Path.Combine(_folder.FullName, "capture.pcap"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["WIRESHARK_CONFIG_DIR"] = _folder.FullName },
        };
        using Process tshark = Process.Start(start)!;
        Task<string> errors = tshark.StandardError.ReadToEndAsync();
        string output = tshark.StandardOutput.ReadToEnd();
        Assert.True(tshark.WaitForExit(30_000), "tshark did not end");
        Assert.True(tshark.ExitCode == 0, errors.Result);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
