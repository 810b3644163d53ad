using System.Buffers.Binary;
using System.Net;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Esp.Packets;

/// <summary>SAs, suites and packets that the ESP tests share.</summary>
internal static class EspSamples
{
    public const uint Spi = 0xc0ffee01;
    public const byte Tcp = 6, Udp = 17;

    public static readonly IPAddress WestV4 = IPAddress.Parse("192.0.2.1"), EastV4 = IPAddress.Parse("198.51.100.2");
    public static readonly IPAddress WestV6 = IPAddress.Parse("2001:db8:1::1"), EastV6 = IPAddress.Parse("2001:db8:2::2");

    /// <summary>Every pair of algorithms that ESP may use.</summary>
    public static readonly (EncryptionAlgorithm Encryption, int KeyBits, IntegrityAlgorithm Integrity)[] Suites =
    [
        (EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE),
        (EncryptionAlgorithm.ENCR_AES_GCM_16, 256, IntegrityAlgorithm.NONE),
        (EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 0, IntegrityAlgorithm.NONE),
        (EncryptionAlgorithm.ENCR_AES_CBC, 128, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128),
        (EncryptionAlgorithm.ENCR_AES_CBC, 256, IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192),
        (EncryptionAlgorithm.ENCR_AES_CBC, 256, IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256),
        (EncryptionAlgorithm.ENCR_NULL, 0, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128),
        (EncryptionAlgorithm.ENCR_NULL, 0, IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256),
    ];

    public static TheoryData<int> SuiteNumbers => [.. Enumerable.Range(0, Suites.Length)];

    public static TrafficSelector Any(bool ipv6) => new(ipv6, 0, 0, ushort.MaxValue, 0, ipv6 ? UInt128.MaxValue : uint.MaxValue);

    /// <summary>An SA for everything, of fixed keys; a test changes what it is about.</summary>
    public static SaInstallation Sa(int suite = 0, bool esn = false, bool ipv6 = false, IpsecMode mode = IpsecMode.Tunnel, SaDirection direction = SaDirection.Outbound)
    {
        (EncryptionAlgorithm encryption, int keyBits, IntegrityAlgorithm integrity) = Suites[suite];
        return new SaInstallation
        {
            Direction = direction,
            Connection = "test",
            Spi = Spi,
            Source = ipv6 ? WestV6 : WestV4,
            Destination = ipv6 ? EastV6 : EastV4,
            Suite = new ChosenSuite(encryption, keyBits, integrity, null, KeyExchangeMethod.NONE, esn),
            EncryptionKey = Key(Algorithms.KeyLength(encryption, keyBits), 1),
            IntegrityKey = Key(Algorithms.KeyLength(integrity), 77),
            Mode = mode,
            LocalSelectors = [Any(false), Any(true)],
            RemoteSelectors = [Any(false), Any(true)],
            ReplayWindow = 64,
        };
    }

    /// <summary>The same SA seen from the other end.</summary>
    public static SaInstallation Other(this SaInstallation sa) => sa with
    {
        Direction = sa.Direction == SaDirection.Outbound ? SaDirection.Inbound : SaDirection.Outbound,
        LocalSelectors = sa.RemoteSelectors,
        RemoteSelectors = sa.LocalSelectors,
    };

    public static OuterAddresses Outer(this SaInstallation sa) => OuterAddresses.Of(sa.Source, sa.Destination);

    public static Secret Key(int length, int seed) => Secret.CopyOf([.. Enumerable.Range(0, length).Select(i => (byte)(seed + i * 3))]);

    /// <summary>An authentic ESP packet with any text, as only a peer with the keys can make it.</summary>
    public static byte[] Seal(SaInstallation sa, ulong sequence, ReadOnlySpan<byte> text)
    {
        using PacketCipher cipher = PacketCiphers.Create(sa.Suite.Encryption, sa.EncryptionKey.Span, sa.Suite.Integrity, sa.IntegrityKey.Span);
        byte[] packet = new byte[8 + cipher.IvLength + text.Length + cipher.IcvLength];
        BinaryPrimitives.WriteUInt32BigEndian(packet, sa.Spi);
        BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(4), (uint)sequence);
        packet.AsSpan(8, cipher.IvLength).Fill((byte)sequence);
        Span<byte> body = packet.AsSpan(8 + cipher.IvLength, text.Length);
        text.CopyTo(body);
        byte[] extended = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(extended, sequence);
        ReadOnlySpan<byte> associated = sa.Suite.Esn && cipher.IsAead ? [.. packet[..4], .. extended] : packet.AsSpan(0, 8);
        ReadOnlySpan<byte> trailer = sa.Suite.Esn && !cipher.IsAead ? extended.AsSpan(0, 4) : default;
        cipher.Seal(associated, packet.AsSpan(8, cipher.IvLength), body, trailer, packet.AsSpan(packet.Length - cipher.IcvLength));
        return packet;
    }

    /// <summary>Payload, then padding as RFC 4303 §2.4 wants it up to a multiple of 16, pad length and next header.</summary>
    public static byte[] Text(ReadOnlySpan<byte> payload, byte nextHeader)
    {
        int padding = (16 - (payload.Length + 2) % 16) % 16;
        return [.. payload, .. Enumerable.Range(1, padding).Select(i => (byte)i), (byte)padding, nextHeader];
    }

    /// <summary>A UDP packet with right checksums.</summary>
    public static byte[] UdpV4(int payloadLength, string source = "10.1.0.1", string destination = "10.2.0.2", ushort sourcePort = 1111, ushort destinationPort = 2222, byte trafficClass = 0, bool dontFragment = false)
        => V4(Udp, UdpSegment(payloadLength, sourcePort, destinationPort, Number(source), Number(destination)), source, destination, trafficClass, dontFragment);

    public static byte[] UdpV6(int payloadLength, string source = "2001:db8:a::1", string destination = "2001:db8:b::2", ushort sourcePort = 1111, ushort destinationPort = 2222, byte trafficClass = 0)
        => V6(Udp, UdpSegment(payloadLength, sourcePort, destinationPort, Number(source), Number(destination)), source, destination, trafficClass);

    public static byte[] V4(byte protocol, ReadOnlySpan<byte> payload, string source = "10.1.0.1", string destination = "10.2.0.2", byte trafficClass = 0, bool dontFragment = false, byte[]? options = null)
    {
        options ??= [];
        byte[] packet = new byte[20 + options.Length + payload.Length];
        packet[0] = (byte)(0x45 + options.Length / 4);
        packet[1] = trafficClass;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), 0x1234);
        packet[6] = dontFragment ? (byte)0x40 : (byte)0;
        packet[8] = 63;
        packet[9] = protocol;
        IPAddress.Parse(source).TryWriteBytes(packet.AsSpan(12), out _);
        IPAddress.Parse(destination).TryWriteBytes(packet.AsSpan(16), out _);
        options.CopyTo(packet, 20);
        payload.CopyTo(packet.AsSpan(20 + options.Length));
        FixHeaderChecksum(packet);
        return packet;
    }

    public static byte[] V6(byte nextHeader, ReadOnlySpan<byte> payload, string source = "2001:db8:a::1", string destination = "2001:db8:b::2", byte trafficClass = 0)
    {
        byte[] packet = new byte[40 + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(packet, 0x60000000u | ((uint)trafficClass << 20) | 0x12345);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)payload.Length);
        packet[6] = nextHeader;
        packet[7] = 63;
        IPAddress.Parse(source).TryWriteBytes(packet.AsSpan(8), out _);
        IPAddress.Parse(destination).TryWriteBytes(packet.AsSpan(24), out _);
        payload.CopyTo(packet.AsSpan(40));
        return packet;
    }

    public static void FixHeaderChecksum(byte[] packet)
    {
        packet[10] = packet[11] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), (ushort)~OnesSum(packet.AsSpan(0, (packet[0] & 15) * 4)));
    }

    /// <summary>The one's complement sum, in the plainest way: the judge of what the code under test writes.</summary>
    public static ushort OnesSum(ReadOnlySpan<byte> data, uint start = 0)
    {
        uint sum = start;
        for (int i = 0; i < data.Length; i++)
        {
            sum += (uint)(data[i] << (i % 2 == 0 ? 8 : 0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return (ushort)sum;
    }

    /// <summary>The sum over an upper protocol's pseudo-header and segment: 0xffff where the checksum is right.</summary>
    public static ushort TransportSum(ReadOnlySpan<byte> packet)
    {
        bool ipv6 = packet[0] >> 4 == 6;
        int header = ipv6 ? 40 : (packet[0] & 15) * 4;
        uint sum = OnesSum(ipv6 ? packet[8..40] : packet[12..20]);
        sum += (uint)(packet.Length - header) + packet[ipv6 ? 6 : 9];
        return OnesSum(packet[header..], (sum & 0xffff) + (sum >> 16));
    }

    private static byte[] UdpSegment(int payloadLength, ushort sourcePort, ushort destinationPort, UInt128 source, UInt128 destination)
    {
        byte[] segment = new byte[8 + payloadLength];
        BinaryPrimitives.WriteUInt16BigEndian(segment, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(4), (ushort)segment.Length);
        for (int i = 8; i < segment.Length; i++)
            segment[i] = (byte)(i * 7);
        Span<byte> pseudo = stackalloc byte[32];
        BinaryPrimitives.WriteUInt128BigEndian(pseudo, source);
        BinaryPrimitives.WriteUInt128BigEndian(pseudo[16..], destination);
        uint sum = (uint)OnesSum(pseudo) + Udp + (uint)segment.Length;
        ushort checksum = (ushort)~OnesSum(segment, (sum & 0xffff) + (sum >> 16));
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(6), checksum == 0 ? ushort.MaxValue : checksum);
        return segment;
    }

    public static UInt128 Number(string address) => TrafficSelector.ToNumber(IPAddress.Parse(address));
}
