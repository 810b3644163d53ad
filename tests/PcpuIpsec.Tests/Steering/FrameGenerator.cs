using System.Buffers.Binary;
using System.Net;

namespace PcpuIpsec.Tests.Steering;

/// <summary>Random Ethernet frames, most of them such as occur and some of them broken. The same seed gives the same frames.</summary>
internal sealed class FrameGenerator(int seed)
{
    public static readonly IPAddress[] Own = [IPAddress.Parse("192.0.2.2"), IPAddress.Parse("198.51.100.7"), IPAddress.Parse("2001:db8::2"), IPAddress.Parse("fe80::2")];
    public static readonly uint[] Spis = [256, 257, 0x80000000, 0xfffffffe, 0x00000001, 0x12345678];
    public static readonly ushort[] Ports = [500, 4500, 4501, 53, 443, 51820, 60001, 1];

    private readonly Random _random = new(seed);

    public byte[] Next()
    {
        bool isIPv6 = Chance(50);
        var frame = new List<byte>(new byte[12]);
        int tags = Chance(70) ? 0 : _random.Next(1, 4);
        for (int i = 0; i < tags; i++)
            frame.AddRange([.. Word(Chance(50) ? 0x8100 : 0x88a8), (byte)_random.Next(16), (byte)_random.Next(256)]);
        frame.AddRange(Word(Chance(95) ? (isIPv6 ? 0x86dd : 0x0800) : Chance(50) ? 0x0806 : _random.Next(65536)));
        (byte protocol, byte[] transport) = Transport();
        frame.AddRange(isIPv6 ? IPv6(protocol, transport) : IPv4(protocol, transport));

        byte[] bytes = [.. frame];
        if (Chance(15))
            bytes = bytes[..Math.Max(14, _random.Next(bytes.Length))];
        for (int flips = Chance(15) ? 3 : 0; flips > 0; flips--)
            bytes[_random.Next(12, bytes.Length)] = (byte)_random.Next(256);
        return bytes;
    }

    private byte[] IPv4(byte protocol, byte[] transport)
    {
        byte[] header = new byte[20 + (4 * (Chance(70) ? 0 : _random.Next(11)))];
        _random.NextBytes(header);
        header[0] = (byte)(0x40 | (header.Length / 4));
        WriteWord(header, 2, header.Length + transport.Length);
        WriteWord(header, 6, Chance(80) ? (Chance(50) ? 0x4000 : 0) : _random.Next(65536));
        header[9] = protocol;
        Address(header.AsSpan(16, 4), isIPv6: false);
        return [.. header, .. transport];
    }

    private byte[] IPv6(byte protocol, byte[] transport)
    {
        int count = Chance(60) ? 0 : _random.Next(1, 9);
        byte[] kinds = [.. Enumerable.Range(0, count).Select(_ => (byte[])[0, 43, 60, 60, 44]).Select(k => k[_random.Next(k.Length)]), protocol];
        var packet = new List<byte>(new byte[40]) { [0] = 0x60, [6] = kinds[0] };
        for (int i = 0; i < count; i++)
        {
            byte[] header = new byte[kinds[i] == 44 || Chance(80) ? 8 : 8 * _random.Next(1, 5)];
            _random.NextBytes(header);
            header[0] = kinds[i + 1];
            header[1] = (byte)((header.Length / 8) - 1);
            if (kinds[i] == 44)
                WriteWord(header, 2, Chance(50) ? 0x0006 : _random.Next(65536));
            packet.AddRange(header);
        }
        packet.AddRange(transport);
        byte[] bytes = [.. packet];
        WriteWord(bytes, 4, bytes.Length - 40);
        _random.NextBytes(bytes.AsSpan(8, 16));
        Address(bytes.AsSpan(24, 16), isIPv6: true);
        return bytes;
    }

    private (byte Protocol, byte[] Bytes) Transport()
    {
        byte[] bytes = new byte[_random.Next(12, 80)];
        _random.NextBytes(bytes);
        int protocol = _random.Next(10) switch { < 4 => 50, < 7 => 17, < 9 => 6, _ => _random.Next(256) };
        if (protocol == 50)
            Spi(bytes);
        else if (protocol is 6 or 17)
        {
            WriteWord(bytes, 0, Port());
            WriteWord(bytes, 2, Port());
            if (protocol == 17)
            {
                WriteWord(bytes, 4, Chance(80) ? bytes.Length : _random.Next(16));
                Spi(bytes.AsSpan(8));
            }
        }
        return ((byte)protocol, bytes);
    }

    private void Spi(Span<byte> bytes)
    {
        if (Chance(70))
            BinaryPrimitives.WriteUInt32BigEndian(bytes, Spis[_random.Next(Spis.Length)]);
        else if (Chance(50))
            bytes[..4].Clear();
    }

    private int Port() => Chance(60) ? Ports[_random.Next(Ports.Length)] : _random.Next(65536);

    private void Address(Span<byte> bytes, bool isIPv6)
    {
        if (Chance(80))
            Own[_random.Next(2) + (isIPv6 ? 2 : 0)].TryWriteBytes(bytes, out _);
    }

    private bool Chance(int percent) => _random.Next(100) < percent;

    private static byte[] Word(int value) => [(byte)(value >> 8), (byte)value];

    private static void WriteWord(byte[] bytes, int at, int value) => BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(at), (ushort)value);
}
