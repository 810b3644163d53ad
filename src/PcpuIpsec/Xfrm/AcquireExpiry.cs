using System.Globalization;
using PcpuIpsec.Host;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// net.core.xfrm_acq_expires of the calling thread's network namespace: how long an acquire that nobody answers holds up its
/// traffic. Lowered while acquires are used. The value from before is written to a file first, and each process that needs it
/// lowered has a file of its own beside: the last one of them that lives, or the first one after a killed one, puts back what
/// was there.
/// </summary>
/// <param name="folder">Where the files are; gone at the next boot, as the setting is.</param>
/// <param name="setting">The setting's file.</param>
/// <param name="identity">Of the network namespace.</param>
/// <param name="process">Who lowers it.</param>
internal sealed class AcquireExpiry(string folder, string setting, string identity, ProcessIdentity process)
{
    /// <summary>Acquires are answered at once; this is for those of a process that was killed. Time for a retransmission too.</summary>
    public const int Seconds = 5;

    private static int _instances;

    // Two of one process are two.
    private readonly int _instance = Interlocked.Increment(ref _instances);

    private string Journal => Path.Combine(folder, "xfrm_acq_expires." + identity);

    private string Own => string.Create(CultureInfo.InvariantCulture, $"{Journal}.{process.Pid}.{process.StartTime}.{_instance}");

    /// <summary>Of the calling thread's namespace.</summary>
    public static AcquireExpiry OfThisNamespace(ProcessIdentity process)
    {
        // "net:[4026531840]"
        string link = File.ResolveLinkTarget("/proc/thread-self/ns/net", returnFinalTarget: false)?.Name ?? "net";
        return new AcquireExpiry("/run/pcpu-ipsec", "/proc/sys/net/core/xfrm_acq_expires", string.Concat(link.Where(char.IsAsciiDigit)), process);
    }

    /// <summary>Lowers it where it is longer, and has it stay so.</summary>
    public void Lower()
    {
        string now = File.ReadAllText(setting).Trim();
        bool isLonger = int.Parse(now, CultureInfo.InvariantCulture) > Seconds;
        if (!isLonger && !File.Exists(Journal))
            return;
        Directory.CreateDirectory(folder);
        File.WriteAllText(Own, "");
        // Whole or not at all: a half-written number must never be put back. One that is there is the older truth.
        if (!File.Exists(Journal))
        {
            File.WriteAllText(Journal + ".new", now);
            File.Move(Journal + ".new", Journal, overwrite: true);
        }
        if (isLonger)
            File.WriteAllText(setting, Seconds.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>
    /// Needs it lowered no more. Where nobody else who lives does, puts back what was there; a value that somebody else set
    /// meanwhile stays.
    /// </summary>
    public void Restore()
    {
        if (!Directory.Exists(folder))
            return;
        File.Delete(Own);
        bool isNeeded = false;
        foreach (string file in Directory.GetFiles(folder, Path.GetFileName(Journal) + ".*"))
        {
            if (HolderOf(file) is not { } holder)
                continue;
            if (holder.IsAlive)
                isNeeded = true;
            else
                File.Delete(file);
        }
        if (isNeeded || !File.Exists(Journal))
            return;
        string before = File.ReadAllText(Journal).Trim();
        if (int.TryParse(before, NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && File.ReadAllText(setting).Trim() == Seconds.ToString(CultureInfo.InvariantCulture))
        {
            File.WriteAllText(setting, before);
        }
        File.Delete(Journal);
    }

    /// <summary>Whose file it is; null where it is none of a process.</summary>
    private ProcessIdentity? HolderOf(string file)
        => file[Journal.Length..].Split('.') is ["", var pid, var start, _]
            && int.TryParse(pid, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && long.TryParse(start, NumberStyles.None, CultureInfo.InvariantCulture, out long time)
            ? new ProcessIdentity(number, time)
            : null;
}
