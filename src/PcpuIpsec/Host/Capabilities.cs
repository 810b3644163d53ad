using System.Globalization;

namespace PcpuIpsec.Host;

/// <summary>What the calling thread may (capabilities(7)); the numbers are linux/capability.h's.</summary>
internal static class Capabilities
{
    public const int NetBindService = 10, NetAdmin = 12, NetRaw = 13, SysAdmin = 21, Bpf = 39;

    public static bool HasNetAdmin() => (Effective() & (1UL << NetAdmin)) != 0;

    /// <summary>A bit for each that is in force.</summary>
    public static ulong Effective()
    {
        const string Field = "CapEff:";
        foreach (string line in File.ReadLines("/proc/thread-self/status"))
        {
            if (line.StartsWith(Field, StringComparison.Ordinal))
                return ulong.Parse(line.AsSpan(Field.Length).Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        }
        throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"/proc/thread-self/status has no line {Field}");
    }
}
