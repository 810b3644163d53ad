using System.Globalization;

namespace PcpuIpsec.Xfrm;

/// <summary>The error counters of a namespace (/proc/net/xfrm_stat), by the kernel's names.</summary>
internal static class XfrmStatistics
{
    // "net" of a process is that of its first thread; ours may be in another namespace.
    private const string File = "/proc/thread-self/net/xfrm_stat";

    /// <summary>The counters of the calling thread's namespace; null where the kernel keeps none (CONFIG_XFRM_STATISTICS).</summary>
    public static IReadOnlyDictionary<string, long>? Read()
    {
        string text;
        try
        {
            text = System.IO.File.ReadAllText(File);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        return Parse(text);
    }

    /// <summary>Reads lines of a name, blanks and a number; others are left out.</summary>
    internal static IReadOnlyDictionary<string, long> Parse(string text)
    {
        var counters = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            int blank = line.IndexOfAny(' ', '\t');
            if (blank > 0 && long.TryParse(line[blank..], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out long value))
                counters[line[..blank].ToString()] = value;
        }
        return counters;
    }
}
