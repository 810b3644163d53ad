using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PcpuIpsec.Ike;

/// <content>Selectors as users write and read them.</content>
public sealed partial record TrafficSelector
{
    private const byte Icmp = 1;
    private const byte IcmpV6 = 58;
    private const string Forms = "a prefix (10.1.0.0/24), an address, or a range (10.1.0.1-10.1.0.9), with an optional [protocol/ports]";

    private static readonly (string Name, byte Number)[] _protocolNames =
    [
        ("any", 0), ("icmp", Icmp), ("igmp", 2), ("tcp", 6), ("udp", 17), ("gre", 47), ("esp", 50), ("ah", 51),
        ("icmpv6", IcmpV6), ("ipv6-icmp", IcmpV6), ("ospf", 89), ("sctp", 132), ("udplite", 136),
    ];

    /// <summary>
    /// Reads <c>10.1.0.0/24</c>, <c>10.1.0.5</c>, <c>10.1.0.1-10.1.0.9</c> or <c>2001:db8::/32</c>, with an optional
    /// <c>[tcp]</c>, <c>[tcp/80]</c>, <c>[udp/1000-2000]</c>, <c>[icmp/8]</c>, <c>[icmp/8:0]</c> (type and code),
    /// <c>[17/53]</c> or <c>[tcp/opaque]</c> behind it.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <exception cref="PcpuIpsecException">The text is none of these (<see cref="PcpuIpsecError.InvalidOption"/>).</exception>
    public static TrafficSelector Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string trimmed = text.Trim();
        string addresses = trimmed;
        string? traffic = null;
        int bracket = trimmed.IndexOf('[', StringComparison.Ordinal);
        if (bracket >= 0)
        {
            if (!trimmed.EndsWith(']'))
                throw Invalid(text, "the bracket is not closed");
            addresses = trimmed[..bracket].TrimEnd();
            traffic = trimmed[(bracket + 1)..^1];
        }

        (bool isIPv6, UInt128 start, UInt128 end) = ParseAddresses(text, addresses);
        (byte protocol, ushort startPort, ushort endPort) = traffic is null ? ((byte)0, (ushort)0, ushort.MaxValue) : ParseTraffic(text, traffic, isIPv6);
        TrafficSelector selector = new(isIPv6, protocol, startPort, endPort, start, end);
        return selector.Validate() is { } error ? throw Invalid(text, error) : selector;
    }

    /// <summary>The form that <see cref="Parse"/> reads.</summary>
    public override string ToString()
    {
        string addresses = AddressText();
        if (AnyPort)
            return Protocol == 0 ? addresses : $"{addresses}[{ProtocolText(Protocol)}]";
        return $"{addresses}[{ProtocolText(Protocol)}/{PortText()}]";
    }

    private string AddressText()
    {
        if (Start == End)
            return StartAddress.ToString();
        List<(IPAddress Prefix, int Length)> prefixes = [.. ToPrefixes().Take(2)];
        return prefixes is [var (prefix, length)] ? $"{prefix}/{length}" : $"{StartAddress}-{EndAddress}";
    }

    private string PortText()
    {
        if (OpaquePort)
            return "opaque";
        if (Protocol is not (Icmp or IcmpV6))
            return StartPort == EndPort ? $"{StartPort}" : $"{StartPort}-{EndPort}";

        (int startType, int startCode) = (StartPort >> 8, StartPort & 0xff);
        (int endType, int endCode) = (EndPort >> 8, EndPort & 0xff);
        if (startCode == 0 && endCode == 0xff)
            return startType == endType ? $"{startType}" : $"{startType}-{endType}";
        return StartPort == EndPort ? $"{startType}:{startCode}" : $"{startType}:{startCode}-{endType}:{endCode}";
    }

    private static string ProtocolText(byte protocol)
        => Array.Find(_protocolNames, entry => entry.Number == protocol).Name ?? protocol.ToString(CultureInfo.InvariantCulture);

    private static (bool IsIPv6, UInt128 Start, UInt128 End) ParseAddresses(string text, string addresses)
    {
        int slash = addresses.IndexOf('/', StringComparison.Ordinal);
        if (slash >= 0)
            return ParsePrefix(text, ParseAddress(text, addresses[..slash]), addresses[(slash + 1)..]);

        string[] ends = addresses.Split('-', 2, StringSplitOptions.TrimEntries);
        IPAddress start = ParseAddress(text, ends[0]);
        IPAddress end = ends.Length == 2 ? ParseAddress(text, ends[1]) : start;
        return start.AddressFamily == end.AddressFamily
            ? (start.AddressFamily == AddressFamily.InterNetworkV6, ToNumber(start), ToNumber(end))
            : throw Invalid(text, "the ends of the range are of different families");
    }

    private static (bool IsIPv6, UInt128 Start, UInt128 End) ParsePrefix(string text, IPAddress prefix, string lengthText)
    {
        bool isIPv6 = prefix.AddressFamily == AddressFamily.InterNetworkV6;
        int width = isIPv6 ? 128 : 32;
        if (!int.TryParse(lengthText, NumberStyles.None, CultureInfo.InvariantCulture, out int length) || length > width)
            throw Invalid(text, $"the prefix length '{lengthText}' is not 0 to {width}");

        UInt128 host = LowBits(width - length);
        UInt128 start = ToNumber(prefix);
        if ((start & host) != 0)
            throw Invalid(text, $"{prefix} has bits behind the prefix; the network is {ToAddress(start & ~host, isIPv6)}/{length}");
        return (isIPv6, start, start | host);
    }

    private static IPAddress ParseAddress(string text, string address)
    {
        // IPAddress takes 10.1 for 10.0.0.1 and 010 for 8; neither is what anyone means here. A scope belongs to no packet.
        if (IPAddress.TryParse(address, out IPAddress? parsed)
            && (parsed.AddressFamily == AddressFamily.InterNetworkV6 ? !address.AsSpan().ContainsAny("%[]/") : parsed.ToString() == address))
            return parsed;
        throw Invalid(text, $"'{address}' is not an IP address");
    }

    private static (byte Protocol, ushort StartPort, ushort EndPort) ParseTraffic(string text, string traffic, bool isIPv6)
    {
        string[] parts = traffic.Split('/', 2, StringSplitOptions.TrimEntries);
        byte protocol = ParseProtocol(text, parts[0], isIPv6);
        if (parts.Length == 1 || parts[1] == "any")
            return (protocol, 0, ushort.MaxValue);
        if (string.Equals(parts[1], "opaque", StringComparison.OrdinalIgnoreCase))
            return (protocol, ushort.MaxValue, 0);

        bool icmp = protocol is Icmp or IcmpV6;
        string[] ends = parts[1].Split('-', 2, StringSplitOptions.TrimEntries);
        (ushort first, ushort last) = ParsePorts(text, ends[0], icmp);
        if (ends.Length == 2)
            last = ParsePorts(text, ends[1], icmp).Last;
        return last >= first ? (protocol, first, last) : throw Invalid(text, $"the range '{parts[1]}' is the wrong way round");
    }

    private static byte ParseProtocol(string text, string name, bool isIPv6)
    {
        if (byte.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out byte number))
            return number;
        int index = Array.FindIndex(_protocolNames, entry => string.Equals(entry.Name, name, StringComparison.OrdinalIgnoreCase));
        if (index < 0)
            throw Invalid(text, $"the protocol '{name}' is neither 0 to 255 nor one of {string.Join(", ", _protocolNames.Select(entry => entry.Name))}");

        // No packet of one family carries the other's ICMP; it would silently match nothing.
        byte protocol = _protocolNames[index].Number;
        if (protocol == (isIPv6 ? Icmp : IcmpV6))
            throw Invalid(text, isIPv6 ? "the protocol for IPv6 is icmpv6" : "the protocol for IPv4 is icmp");
        return protocol;
    }

    /// <summary>A port; of ICMP a type, which stands for all its codes, or type:code.</summary>
    private static (ushort First, ushort Last) ParsePorts(string text, string port, bool icmp)
    {
        if (!icmp)
            return ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out ushort number) ? (number, number) : throw Invalid(text, $"the port '{port}' is not 0 to 65535");

        string[] parts = port.Split(':', 2);
        if (!byte.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out byte type))
            throw Invalid(text, $"the ICMP type '{parts[0]}' is not 0 to 255");
        if (parts.Length == 1)
            return ((ushort)(type << 8), (ushort)(type << 8 | byte.MaxValue));
        return byte.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out byte code)
            ? ((ushort)(type << 8 | code), (ushort)(type << 8 | code))
            : throw Invalid(text, $"the ICMP code '{parts[1]}' is not 0 to 255");
    }

    private static PcpuIpsecException Invalid(string text, string reason)
        => new(PcpuIpsecError.InvalidOption, $"'{text}' is not a traffic selector: {reason}. Allowed is {Forms}.");
}
