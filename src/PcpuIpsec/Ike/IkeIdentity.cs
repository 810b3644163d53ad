using System.Net;
using System.Net.Sockets;
using System.Text;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike;

/// <summary>An identity as IDi and IDr carry it (RFC 7296 §3.5): its type and its bytes.</summary>
internal sealed record IkeIdentity(IdType Type, byte[] Data)
{
    private const string Forms = "an IP address, a name (gw.example.com or @gw), user@host, or keyid: with hexadecimal digits";

    /// <summary>
    /// Reads an identity as users write it: <c>192.0.2.1</c>, <c>2001:db8::1</c>, <c>gw.example.com</c>, <c>@gw</c> (a name
    /// even where it looks like an address), <c>user@host</c>, <c>keyid:0a0b</c>.
    /// </summary>
    /// <exception cref="PcpuIpsecException">The text is none of these (<see cref="PcpuIpsecError.InvalidOption"/>).</exception>
    public static IkeIdentity Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string trimmed = text.Trim();
        if (IPAddress.TryParse(trimmed, out IPAddress? address) && !trimmed.AsSpan().ContainsAny("%[]")
            && (address.AddressFamily == AddressFamily.InterNetworkV6 || address.ToString() == trimmed))
            return ForAddress(address);
        if (trimmed.StartsWith("keyid:", StringComparison.OrdinalIgnoreCase))
            return new IkeIdentity(IdType.ID_KEY_ID, ParseHex(text, trimmed["keyid:".Length..]));

        IdType type = trimmed.IndexOf('@', StringComparison.Ordinal) > 0 ? IdType.ID_RFC822_ADDR : IdType.ID_FQDN;
        bool explicitName = trimmed.StartsWith('@');
        string name = explicitName ? trimmed[1..] : trimmed;
        bool mistypedAddress = !explicitName && name.All(c => char.IsAsciiDigit(c) || c == '.');
        return IsName(name, type) && !mistypedAddress ? new IkeIdentity(type, Encoding.ASCII.GetBytes(name)) : throw Invalid(text);
    }

    /// <summary>The identity of an address.</summary>
    public static IkeIdentity ForAddress(IPAddress address)
        => new(address.AddressFamily == AddressFamily.InterNetworkV6 ? IdType.ID_IPV6_ADDR : IdType.ID_IPV4_ADDR, address.GetAddressBytes());

    /// <summary>What is wrong with the bytes for the type, or null. Types that we do not know are left to authentication to refuse.</summary>
    public string? Validate() => Type switch
    {
        IdType.ID_IPV4_ADDR when Data.Length != 4 => $"{Type} of {Data.Length} bytes; it has 4",
        IdType.ID_IPV6_ADDR when Data.Length != 16 => $"{Type} of {Data.Length} bytes; it has 16",
        IdType.ID_FQDN or IdType.ID_RFC822_ADDR or IdType.ID_KEY_ID or IdType.ID_DER_ASN1_DN or IdType.ID_DER_ASN1_GN when Data.Length == 0 => $"{Type} without data",
        _ => null,
    };

    /// <summary>The form that <see cref="Parse"/> reads; bytes that are no name (a peer may send any) are shown in hexadecimal.</summary>
    public override string ToString()
    {
        if (Type is IdType.ID_IPV4_ADDR or IdType.ID_IPV6_ADDR && Validate() is null)
            return new IPAddress(Data).ToString();
        if (Type is IdType.ID_FQDN or IdType.ID_RFC822_ADDR && Encoding.Latin1.GetString(Data) is var name && IsName(name, Type))
            return name.All(c => char.IsAsciiDigit(c) || c == '.') ? $"@{name}" : name;
        return Type == IdType.ID_KEY_ID ? $"keyid:{Convert.ToHexStringLower(Data)}" : $"{Type}:{Convert.ToHexStringLower(Data)}";
    }

    /// <summary>The payload behind its generic header, as AUTH covers it (RFC 7296 §2.15: RestOfIDPayload).</summary>
    public byte[] ToBody() => [(byte)Type, 0, 0, 0, .. Data];

    /// <summary>Equal where type and bytes are.</summary>
    public bool Equals(IkeIdentity? other) => other is not null && Type == other.Type && Data.AsSpan().SequenceEqual(other.Data);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.Add(Type);
        hash.AddBytes(Data);
        return hash.ToHashCode();
    }

    /// <summary>A host name, or user@host; nothing that could be a mistyped address, or break a log line.</summary>
    private static bool IsName(string name, IdType type)
    {
        if (type != IdType.ID_RFC822_ADDR)
            return IsHostName(name);
        int at = name.IndexOf('@', StringComparison.Ordinal);
        return at > 0 && IsHostName(name[(at + 1)..]) && name[..at].All(c => char.IsAsciiLetterOrDigit(c) || ".!#$&'*+-/?^_`{|}~".Contains(c, StringComparison.Ordinal));
    }

    private static bool IsHostName(string name) => name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_');

    private static byte[] ParseHex(string text, string digits)
    {
        string plain = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? digits[2..] : digits;
        return plain.Length > 0 && plain.Length % 2 == 0 && plain.All(char.IsAsciiHexDigit) ? Convert.FromHexString(plain) : throw Invalid(text);
    }

    private static PcpuIpsecException Invalid(string text)
        => new(PcpuIpsecError.InvalidOption, $"'{text}' is not an identity. Allowed is {Forms}; distinguished names are not supported.");
}
