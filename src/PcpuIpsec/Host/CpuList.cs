using System.Globalization;
using System.Text;

namespace PcpuIpsec.Host;

/// <summary>The kernel's list format for CPUs, <c>0-3,8</c>, as in /sys/devices/system/cpu and <c>taskset -c</c>.</summary>
internal static class CpuList
{
    /// <summary>One more than the largest number taken: the kernel's own bound is CONFIG_NR_CPUS, at most 8192.</summary>
    public const int Limit = 8192;

    /// <summary>Parses a list; the result is ascending and without duplicates. An empty text is an empty list.</summary>
    /// <param name="text">Numbers and ranges, separated by commas.</param>
    /// <param name="field">The option's name, for the error message.</param>
    public static IReadOnlyList<int> Parse(ReadOnlySpan<char> text, string field = "cpus")
    {
        var cpus = new SortedSet<int>();
        text = text.Trim();
        if (text.IsEmpty)
            return [];
        foreach (Range part in text.Split(','))
        {
            ReadOnlySpan<char> range = text[part].Trim();
            int dash = range.IndexOf('-');
            int first = Number(dash < 0 ? range : range[..dash], text, field);
            int last = dash < 0 ? first : Number(range[(dash + 1)..], text, field);
            if (last < first)
                throw Bad(text, field, $"the range {range} runs backwards");
            for (int cpu = first; cpu <= last; cpu++)
                cpus.Add(cpu);
        }
        return [.. cpus];
    }

    /// <summary>Writes CPUs in the kernel's shortest form; order and duplicates of the input do not matter.</summary>
    public static string Format(IEnumerable<int> cpus)
    {
        var text = new StringBuilder();
        int first = -1, last = -1;
        foreach (int cpu in new SortedSet<int>(cpus))
        {
            if (first >= 0 && cpu == last + 1)
            {
                last = cpu;
                continue;
            }
            Append(text, first, last);
            first = last = cpu;
        }
        Append(text, first, last);
        return text.ToString();
    }

    private static void Append(StringBuilder text, int first, int last)
    {
        if (first < 0)
            return;
        if (text.Length > 0)
            text.Append(',');
        text.Append(CultureInfo.InvariantCulture, $"{first}");
        if (last > first)
            text.Append(CultureInfo.InvariantCulture, $"-{last}");
    }

    private static int Number(ReadOnlySpan<char> digits, ReadOnlySpan<char> text, string field)
    {
        if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int cpu))
            throw Bad(text, field, $"'{digits}' is no CPU number");
        return cpu < Limit ? cpu : throw Bad(text, field, $"{cpu} is above the largest CPU number, {Limit - 1}");
    }

    private static PcpuIpsecException Bad(ReadOnlySpan<char> text, string field, string reason)
        => new(PcpuIpsecError.InvalidOption, $"{field} = '{text}': {reason}; allowed are CPU numbers and ascending ranges such as 0-3,8.");
}
