using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;

namespace PcpuIpsec.PowerShell.Completion;

/// <summary>What this host has, as far as anybody may read it; what cannot be read is not there.</summary>
internal static class ThisHost
{
    public const string Interfaces = "/sys/class/net";

    // ARPHRD_NONE of linux/if_arp.h, which WireGuard's and TUNs are, too: those say what they are.
    private const string NoHardware = "65534";

    public static IReadOnlyList<int> OnlineCpus() => ParseCpus(Read("/sys/devices/system/cpu/online"));

    /// <param name="list">As the kernel writes it: 0-3,8.</param>
    public static IReadOnlyList<int> ParseCpus(string list)
    {
        List<int> cpus = [];
        foreach (string range in list.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] ends = range.Split('-');
            if (int.TryParse(ends[0], CultureInfo.InvariantCulture, out int first) && int.TryParse(ends[^1], CultureInfo.InvariantCulture, out int last))
                cpus.AddRange(Enumerable.Range(first, Math.Max(0, last - first + 1)));
        }
        return cpus;
    }

    /// <param name="folder">The kernel's folder of interfaces.</param>
    public static IEnumerable<string> XfrmInterfaces(string folder)
        => Directory.Exists(folder)
            ? Directory.EnumerateDirectories(folder)
                .Where(i => Read(Path.Combine(i, "type")) == NoHardware && !File.Exists(Path.Combine(i, "tun_flags")) && !Read(Path.Combine(i, "uevent")).Contains("DEVTYPE=", StringComparison.Ordinal))
                .Select(i => Path.GetFileName(i)).Order(StringComparer.Ordinal)
            : [];

    /// <param name="folder">The kernel's folder of interfaces.</param>
    public static IEnumerable<string> Nics(string folder)
        => Directory.Exists(folder) ? Directory.EnumerateDirectories(folder).Where(i => Directory.Exists(Path.Combine(i, "queues"))).Select(i => Path.GetFileName(i)).Where(n => n != "lo").Order(StringComparer.Ordinal) : [];

    public static IEnumerable<(string Interface, IPAddress Address)> Addresses()
    {
        try
        {
            return [.. NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses.Select(a => (i.Name, a.Address)))
                .Where(a => !IPAddress.IsLoopback(a.Address) && !a.Address.IsIPv6LinkLocal)];
        }
        catch (NetworkInformationException)
        {
            return [];
        }
    }

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
