using System.Globalization;
using System.Text;

namespace PcpuIpsec.Tuning;

/// <summary>The kernel's masks of CPUs: hexadecimal words of 32 bits, the highest first, commas between them (lib/bitmap-str.c, %*pb).</summary>
internal static class CpuMask
{
    /// <param name="mask">As <c>rps_cpus</c> and <c>smp_affinity</c> have it.</param>
    /// <exception cref="FormatException">It is none.</exception>
    public static IReadOnlyList<int> Parse(string mask)
    {
        List<int> cpus = [];
        string[] words = mask.Trim().Split(',');
        for (int word = 0; word < words.Length; word++)
        {
            uint bits = uint.Parse(words[^(word + 1)], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            for (int bit = 0; bit < 32; bit++)
            {
                if ((bits >> bit & 1) != 0)
                    cpus.Add(word * 32 + bit);
            }
        }
        return cpus;
    }

    public static string Format(IEnumerable<int> cpus)
    {
        int[] sorted = [.. cpus.Distinct().Order()];
        uint[] words = new uint[sorted.Length == 0 ? 1 : sorted[^1] / 32 + 1];
        foreach (int cpu in sorted)
            words[cpu / 32] |= 1u << (cpu % 32);
        var text = new StringBuilder(words[^1].ToString("x", CultureInfo.InvariantCulture));
        for (int word = words.Length - 2; word >= 0; word--)
            text.Append(CultureInfo.InvariantCulture, $",{words[word]:x8}");
        return text.ToString();
    }

    /// <summary>Whether the kernel means the same by both: it pads masks with zeros to the CPUs that there can be.</summary>
    public static bool AreSame(string one, string other) => Shortest(one) == Shortest(other);

    private static string Shortest(string mask) => mask.All(c => char.IsAsciiHexDigitLower(c) || c == ',') && mask.TrimStart('0', ',') is var shorter ? (shorter.Length == 0 ? "0" : shorter) : mask;
}
