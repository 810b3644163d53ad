namespace PcpuIpsec.PowerShell;

/// <summary>The stable ids of errors: <c>peer-silent</c> is <c>PeerSilent</c>.</summary>
internal static class ErrorIds
{
    public static string IdOf(string error) => string.Concat(error.Split('-', StringSplitOptions.RemoveEmptyEntries).Select(w => char.ToUpperInvariant(w[0]) + w[1..]));
}
