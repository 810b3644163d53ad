using System.Globalization;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// net.core.xfrm_acq_expires of the calling thread's network namespace: how long an acquire that nobody answers holds up its
/// traffic. Lowered while acquires are used. The value from before is written to a file first, so that also the process after
/// a killed one puts back what was there.
/// </summary>
/// <param name="folder">Where the file is; gone at the next boot, as the setting is.</param>
/// <param name="setting">The setting's file.</param>
/// <param name="identity">Of the network namespace.</param>
internal sealed class AcquireExpiry(string folder, string setting, string identity)
{
    /// <summary>Acquires are answered at once; this is for those of a process that was killed. Time for a retransmission too.</summary>
    public const int Seconds = 5;

    private string Journal => Path.Combine(folder, "xfrm_acq_expires." + identity);

    /// <summary>Of the calling thread's namespace.</summary>
    public static AcquireExpiry OfThisNamespace()
    {
        // "net:[4026531840]"
        string link = File.ResolveLinkTarget("/proc/thread-self/ns/net", returnFinalTarget: false)?.Name ?? "net";
        return new AcquireExpiry("/run/pcpu-ipsec", "/proc/sys/net/core/xfrm_acq_expires", string.Concat(link.Where(char.IsAsciiDigit)));
    }

    /// <summary>Lowers it where it is longer.</summary>
    public void Lower()
    {
        string now = File.ReadAllText(setting).Trim();
        if (int.Parse(now, CultureInfo.InvariantCulture) <= Seconds)
            return;
        Directory.CreateDirectory(folder);
        // Whole or not at all: a half-written number must never be put back. One that is there is the older truth.
        if (!File.Exists(Journal))
        {
            File.WriteAllText(Journal + ".new", now);
            File.Move(Journal + ".new", Journal, overwrite: true);
        }
        File.WriteAllText(setting, Seconds.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Puts back what was there, also what a killed process lowered; a value that somebody else set meanwhile stays.</summary>
    public void Restore()
    {
        if (!File.Exists(Journal))
            return;
        string before = File.ReadAllText(Journal).Trim();
        if (int.TryParse(before, NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && File.ReadAllText(setting).Trim() == Seconds.ToString(CultureInfo.InvariantCulture))
        {
            File.WriteAllText(setting, before);
        }
        File.Delete(Journal);
    }
}
