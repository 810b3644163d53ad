using System.Globalization;

namespace PcpuIpsec.Host;

/// <summary>The time that one CPU has spent since boot, in the kernel's ticks of 1/100 s (proc(5), /proc/stat).</summary>
/// <param name="Cpu">Which CPU.</param>
/// <param name="User">User mode, niced included.</param>
/// <param name="System">Kernel mode.</param>
/// <param name="Idle">Idle, waiting for I/O included.</param>
/// <param name="Irq">Hardware interrupts.</param>
/// <param name="SoftIrq">Soft interrupts: where the network stack receives.</param>
/// <param name="Steal">What the hypervisor gave to others.</param>
internal readonly record struct CpuTime(int Cpu, long User, long System, long Idle, long Irq, long SoftIrq, long Steal)
{
    /// <summary>Everything but idle and stolen time.</summary>
    public long Busy => User + System + Irq + SoftIrq;

    public long Total => Busy + Idle + Steal;

    /// <summary>What was spent since an earlier sample of the same CPU.</summary>
    public CpuTime Since(CpuTime earlier)
        => new(Cpu, User - earlier.User, System - earlier.System, Idle - earlier.Idle, Irq - earlier.Irq, SoftIrq - earlier.SoftIrq, Steal - earlier.Steal);
}

/// <summary>A sample of all online CPUs.</summary>
internal sealed class CpuTimes
{
    /// <summary>Ticks a second: USER_HZ, which is 100 on every architecture that Linux offers .NET on.</summary>
    public const int TicksPerSecond = 100;

    private readonly Dictionary<int, CpuTime> _byCpu;

    private CpuTimes(Dictionary<int, CpuTime> byCpu) => _byCpu = byCpu;

    public IReadOnlyDictionary<int, CpuTime> ByCpu => _byCpu;

    public static CpuTimes Read() => Parse(File.ReadAllText("/proc/stat"));

    /// <summary>What each CPU spent since an earlier sample; CPUs that were not online at both are left out.</summary>
    public IReadOnlyList<CpuTime> Since(CpuTimes earlier)
        => [.. _byCpu.Values.Where(t => earlier._byCpu.ContainsKey(t.Cpu)).Select(t => t.Since(earlier._byCpu[t.Cpu])).OrderBy(t => t.Cpu)];

    internal static CpuTimes Parse(string procStat)
    {
        var byCpu = new Dictionary<int, CpuTime>();
        foreach (string line in procStat.Split('\n'))
        {
            // cpuN user nice system idle iowait irq softirq steal guest guest_nice; guest time is in user already.
            if (!line.StartsWith("cpu", StringComparison.Ordinal) || line.Length < 4 || !char.IsAsciiDigit(line[3]))
                continue;
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            long Field(int index) => index < words.Length ? long.Parse(words[index], CultureInfo.InvariantCulture) : 0;
            int cpu = int.Parse(words[0].AsSpan(3), CultureInfo.InvariantCulture);
            byCpu[cpu] = new CpuTime(cpu, Field(1) + Field(2), Field(3), Field(4) + Field(5), Field(6), Field(7), Field(8));
        }
        return new CpuTimes(byCpu);
    }
}
