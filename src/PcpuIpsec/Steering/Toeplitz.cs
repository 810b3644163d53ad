using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace PcpuIpsec.Steering;

/// <summary>What a NIC does to the addresses and ports before it hashes them (linux/ethtool.h, RXH_XFRM_*; ethtool shows it as "xfrm").</summary>
internal enum RssTransform : byte
{
    None = 0,

    /// <summary>RXH_XFRM_SYM_XOR: source and destination are each replaced by the XOR of the two.</summary>
    SymmetricXor = 1,

    /// <summary>RXH_XFRM_SYM_OR_XOR: the source by the OR, the destination by the XOR of the two. mlx5's default.</summary>
    SymmetricOrXor = 2,
}

/// <summary>
/// The hash of receive side scaling: for each bit of the input that is set, the 32 bits of the key that begin there, XORed.
/// The inputs are those that NICs document, fields in network order and as the packet has them that comes in, so that the source
/// is the far end:
/// <list type="bullet">
/// <item>addresses: every packet that the NIC does not look into, fragments too. ESP with the physical functions of ice and i40e, with
/// ixgbe, igb, enic (all report it so in rx-flow-hash) and ENA: no SPI moves it there.</item>
/// <item>addresses and ports: TCP; UDP where the driver does by itself, as mlx5 and ice do, or was told to
/// (<c>ethtool -N … rx-flow-hash udp4 sdfn</c>).</item>
/// <item>addresses and SPI, the SPI where ports would be: mlx5 by default (MLX5_HASH_IP_IPSEC_SPI, en/rss.c); bnxt and bnge where the
/// firmware has RSS_IPSEC_ESP_SPI and rx-flow-hash ah4 or ah6 was set to sdfn; ice for a virtual function that asks for it by
/// virtchnl (ICE_FLOW_HASH_ESP_IPV4_SPI), which Linux' iavf does not. Only ESP itself: none of them finds an SPI behind UDP.</item>
/// </list>
/// </summary>
internal sealed class Toeplitz
{
    /// <summary>An IPv6 address pair with ports.</summary>
    private const int LongestInput = 36;

    private readonly byte[] _key;

    /// <param name="key">As ethtool reports it: 40 bytes mostly, 52 with ice and i40e.</param>
    public Toeplitz(ReadOnlySpan<byte> key)
    {
        if (key.Length < LongestInput + sizeof(uint))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"RSS key = {key.Length} bytes: at least {LongestInput + sizeof(uint)} are needed to hash IPv6 addresses with ports.");
        _key = key.ToArray();
    }

    public uint Hash(IPAddress source, IPAddress destination, RssTransform transform = RssTransform.None)
    {
        Span<byte> input = stackalloc byte[LongestInput];
        return Hash(input[..WriteAddresses(input, source, destination, transform)]);
    }

    public uint Hash(IPAddress source, IPAddress destination, ushort sourcePort, ushort destinationPort, RssTransform transform = RssTransform.None)
    {
        Span<byte> input = stackalloc byte[LongestInput];
        int length = WriteAddresses(input, source, destination, transform);
        BinaryPrimitives.WriteUInt16BigEndian(input[length..], sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(input[(length + 2)..], destinationPort);
        Transform(input.Slice(length, 2), input.Slice(length + 2, 2), transform);
        return Hash(input[..(length + 4)]);
    }

    /// <summary>For ESP. The SPI has no counterpart and goes in as it is, whatever the transform.</summary>
    public uint Hash(IPAddress source, IPAddress destination, uint spi, RssTransform transform = RssTransform.None)
    {
        Span<byte> input = stackalloc byte[LongestInput];
        int length = WriteAddresses(input, source, destination, transform);
        BinaryPrimitives.WriteUInt32BigEndian(input[length..], spi);
        return Hash(input[..(length + 4)]);
    }

    /// <summary>The hash of bytes, at most four fewer than the key has.</summary>
    public uint Hash(ReadOnlySpan<byte> input)
    {
        uint hash = 0;
        ulong window = BinaryPrimitives.ReadUInt32BigEndian(_key);
        for (int i = 0; i < input.Length; i++)
        {
            // The 32 bits at the byte's first bit and the eight that come in after them.
            window = (window << 8) | _key[i + sizeof(uint)];
            for (int bit = 7; bit >= 0; bit--)
            {
                if ((input[i] & (1 << bit)) != 0)
                    hash ^= (uint)(window >> (bit + 1));
            }
        }
        return hash;
    }

    private static int WriteAddresses(Span<byte> input, IPAddress source, IPAddress destination, RssTransform transform)
    {
        if (source.AddressFamily != destination.AddressFamily || source.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"source = {source}, destination = {destination}: both must be IPv4 or both IPv6.");
        source.TryWriteBytes(input, out int length);
        destination.TryWriteBytes(input[length..], out _);
        Transform(input[..length], input.Slice(length, length), transform);
        return 2 * length;
    }

    private static void Transform(Span<byte> source, Span<byte> destination, RssTransform transform)
    {
        for (int i = 0; transform != RssTransform.None && i < source.Length; i++)
        {
            byte xor = (byte)(source[i] ^ destination[i]);
            source[i] = transform == RssTransform.SymmetricXor ? xor : (byte)(source[i] | destination[i]);
            destination[i] = xor;
        }
    }
}
