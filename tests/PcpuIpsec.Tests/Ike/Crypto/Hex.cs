namespace PcpuIpsec.Tests.Ike.Crypto;

internal static class Hex
{
    /// <summary>Bytes from hex as RFCs print it: white space anywhere.</summary>
    public static byte[] Bytes(string hex) => Convert.FromHexString(string.Concat(hex.Where(c => !char.IsWhiteSpace(c))));

    public static string Of(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    /// <summary>As RFCs write it, without white space and in lower case.</summary>
    public static string Plain(string hex) => Of(Bytes(hex));
}
