using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace PcpuIpsec.Ethtool;

/// <summary>
/// One ntuple rule: which packets go to which queue. It is struct ethtool_rx_flow_spec byte for byte, so that a rule of somebody
/// else's, whatever is in it, can be put back as it was.
/// </summary>
internal sealed partial record FlowRule
{
    /// <summary>sizeof(struct ethtool_rx_flow_spec) on 64-bit machines.</summary>
    public const int Size = 168;

    // flow_type, h_u (52 bytes), h_ext (20), m_u, m_ext, 4 of padding, ring_cookie (u64), location (u32), 4 of padding
    internal const int FieldsAt = 4, MasksAt = 76, QueueAt = 152, LocationAt = 160;

    /// <summary>RX_CLS_LOC_ANY: wherever the driver, or <see cref="EthtoolSocket.InsertRule"/>, finds room.</summary>
    public const uint AnyLocation = uint.MaxValue;

    /// <summary>RX_CLS_LOC_SPECIAL: from here on a location is no number but a wish.</summary>
    public const uint SpecialLocation = 0x8000_0000;

    /// <summary>FLOW_RSS: to an RSS context, and no queue; FLOW_EXT and FLOW_MAC_EXT: VLAN, MAC address or the driver's own fields count, too.</summary>
    private const uint ToContextFlag = 0x2000_0000, ExtendedFlags = 0xc000_0000;

    /// <summary>RX_CLS_FLOW_DISC and RX_CLS_FLOW_WAKE.</summary>
    private const ulong DropCookie = ulong.MaxValue, WakeCookie = ulong.MaxValue - 1;

    private const char ContextSeparator = '/';

    private FlowRule(ImmutableArray<byte> spec, uint rssContext) => (Spec, RssContext) = (spec, rssContext);

    /// <summary>struct ethtool_rx_flow_spec.</summary>
    public ImmutableArray<byte> Spec { get; }

    /// <summary>Where it leads, if not to a queue.</summary>
    public uint RssContext { get; }

    public FlowType Type => (FlowType)(Flags & ~(ToContextFlag | ExtendedFlags));

    /// <summary>Of those that a packet matches, the rule with the lowest counts.</summary>
    public uint Location => MemoryMarshal.Read<uint>(Spec.AsSpan()[LocationAt..]);

    /// <summary>The queue of the interface itself; null where packets are dropped, wake the host, or go to a context or a virtual function.</summary>
    public int? Queue => (Flags & ToContextFlag) == 0 && Cookie <= int.MaxValue ? (int)Cookie : null;

    private uint Flags => MemoryMarshal.Read<uint>(Spec.AsSpan());

    private ulong Cookie => MemoryMarshal.Read<ulong>(Spec.AsSpan()[QueueAt..]);

    /// <summary>What the kernel told.</summary>
    /// <param name="spec">struct ethtool_rx_flow_spec.</param>
    /// <param name="rssContext">Counts where the specification says so.</param>
    public static FlowRule Read(ReadOnlySpan<byte> spec, uint rssContext)
        => new([.. spec], (MemoryMarshal.Read<uint>(spec) & ToContextFlag) != 0 ? rssContext : 0);

    /// <summary>ESP packets with an SPI.</summary>
    public static FlowRule Esp(AddressFamily family, uint spi, int queue, IPAddress? source = null, IPAddress? destination = null)
    {
        // struct ethtool_ah_espip4_spec and _espip6_spec: the addresses, the SPI, the class
        bool isIPv6 = CheckFamily(family);
        byte[] spec = Begin(isIPv6 ? FlowType.Esp6 : FlowType.Esp4, queue, source, destination);
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, spi);
        Match(spec, AfterAddresses(isIPv6), bytes);
        return new FlowRule([.. spec], 0);
    }

    /// <summary>UDP packets with these ports; null is any.</summary>
    public static FlowRule Udp(AddressFamily family, ushort? sourcePort, ushort? destinationPort, int queue, IPAddress? source = null, IPAddress? destination = null)
        => Ports(CheckFamily(family) ? FlowType.Udp6 : FlowType.Udp4, sourcePort, destinationPort, queue, source, destination);

    /// <summary>TCP packets with these ports; null is any.</summary>
    public static FlowRule Tcp(AddressFamily family, ushort? sourcePort, ushort? destinationPort, int queue, IPAddress? source = null, IPAddress? destination = null)
        => Ports(CheckFamily(family) ? FlowType.Tcp6 : FlowType.Tcp4, sourcePort, destinationPort, queue, source, destination);

    /// <summary>The same at another location.</summary>
    public FlowRule At(uint location)
    {
        byte[] spec = [.. Spec];
        MemoryMarshal.Write(spec.AsSpan(LocationAt), location);
        return new FlowRule([.. spec], RssContext);
    }

    /// <summary>The same, to an RSS context.</summary>
    public FlowRule ToContext(uint context)
    {
        byte[] spec = [.. Spec];
        MemoryMarshal.Write(spec, Flags | ToContextFlag);
        // A queue beside a context is added to what the context's table says.
        MemoryMarshal.Write(spec.AsSpan(QueueAt), 0UL);
        return new FlowRule([.. spec], context);
    }

    public bool Equals(FlowRule? other) => other is not null && RssContext == other.RssContext && Spec.AsSpan().SequenceEqual(other.Spec.AsSpan());

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(Spec.AsSpan());
        hash.Add(RssContext);
        return hash.ToHashCode();
    }

    /// <summary>All of it on one line, for a journal; <see cref="Parse"/> reads it.</summary>
    public override string ToString()
    {
        string spec = Convert.ToHexStringLower(Spec.AsSpan());
        return (Flags & ToContextFlag) == 0 ? spec : string.Create(CultureInfo.InvariantCulture, $"{spec}{ContextSeparator}{RssContext}");
    }

    /// <exception cref="PcpuIpsecException">It is not what <see cref="ToString"/> wrote.</exception>
    public static FlowRule Parse(string text)
    {
        string[] parts = text.Split(ContextSeparator);
        byte[] spec = new byte[Size];
        uint context = 0;
        if (parts.Length > 2 || parts[0].Length != 2 * Size
            || Convert.FromHexString(parts[0], spec, out _, out _) != System.Buffers.OperationStatus.Done
            || (parts.Length == 2 && !uint.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out context))
            || (parts.Length == 2) != ((MemoryMarshal.Read<uint>(spec) & ToContextFlag) != 0))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"flow rule = '{text}': allowed are {2 * Size} hexadecimal digits, and behind a slash the RSS context where they name one.");
        return new FlowRule([.. spec], context);
    }

    private static FlowRule Ports(FlowType type, ushort? sourcePort, ushort? destinationPort, int queue, IPAddress? source, IPAddress? destination)
    {
        // struct ethtool_tcpip4_spec and _tcpip6_spec: the addresses, the ports, the class
        byte[] spec = Begin(type, queue, source, destination);
        int at = AfterAddresses(type is FlowType.Tcp6 or FlowType.Udp6);
        MatchPort(spec, at, sourcePort);
        MatchPort(spec, at + sizeof(ushort), destinationPort);
        return new FlowRule([.. spec], 0);
    }

    private static byte[] Begin(FlowType type, int queue, IPAddress? source, IPAddress? destination)
    {
        if (queue < 0)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"queue = {queue}: allowed are numbers from 0 up.");
        byte[] spec = new byte[Size];
        MemoryMarshal.Write(spec, (uint)type);
        MemoryMarshal.Write(spec.AsSpan(QueueAt), (ulong)queue);
        MemoryMarshal.Write(spec.AsSpan(LocationAt), AnyLocation);
        bool isIPv6 = type is FlowType.Esp6 or FlowType.Tcp6 or FlowType.Udp6;
        MatchAddress(spec, 0, source, isIPv6);
        MatchAddress(spec, AfterAddresses(isIPv6) / 2, destination, isIPv6);
        return spec;
    }

    private static int AfterAddresses(bool isIPv6) => isIPv6 ? 32 : 8;

    private static void MatchPort(byte[] spec, int at, ushort? port)
    {
        if (port is null)
            return;
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, port.Value);
        Match(spec, at, bytes);
    }

    private static void MatchAddress(byte[] spec, int at, IPAddress? address, bool isIPv6)
    {
        if (address is null)
            return;
        if (CheckFamily(address.AddressFamily) != isIPv6)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"address = {address}: the rule is for IPv{(isIPv6 ? 6 : 4)}.");
        Match(spec, at, address.GetAddressBytes());
    }

    /// <summary>A field in network order; in these rules a mask's bits that are set count.</summary>
    private static void Match(byte[] spec, int at, ReadOnlySpan<byte> value)
    {
        value.CopyTo(spec.AsSpan(FieldsAt + at));
        spec.AsSpan(MasksAt + at, value.Length).Fill(0xff);
    }

    private static bool CheckFamily(AddressFamily family) => family switch
    {
        AddressFamily.InterNetwork => false,
        AddressFamily.InterNetworkV6 => true,
        _ => throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"address family = {family}: allowed are InterNetwork and InterNetworkV6."),
    };
}
