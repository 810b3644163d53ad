using System.Globalization;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Host;

/// <summary>What the host's processors and kernel are. Reads afresh at each call: CPUs come and go.</summary>
internal static unsafe class HostCpus
{
    private const string SysCpu = "/sys/devices/system/cpu/";

    /// <summary>CPUs that run tasks now.</summary>
    public static IReadOnlyList<int> Online() => CpuList.Parse(File.ReadAllText(SysCpu + "online"), SysCpu + "online");

    /// <summary>CPUs that could ever come online; the kernel bounds XFRMA_SA_PCPU by their number.</summary>
    public static IReadOnlyList<int> Possible() => CpuList.Parse(File.ReadAllText(SysCpu + "possible"), SysCpu + "possible");

    /// <summary>Online CPUs that the calling thread may run on (affinity and cpuset).</summary>
    public static IReadOnlyList<int> Allowed()
    {
        // The kernel refuses a mask shorter than its own, so the largest it can have.
        const int MaskBytes = CpuList.Limit / 8;
        byte* mask = stackalloc byte[MaskBytes];
        int written = Libc.Check(Libc.SchedGetAffinity(0, MaskBytes, mask), "sched_getaffinity");
        // glibc answers 0 and clears the rest; musl answers the kernel's count of bytes.
        int bytes = written == 0 ? MaskBytes : written;
        var cpus = new List<int>();
        for (int cpu = 0; cpu < bytes * 8; cpu++)
        {
            if ((mask[cpu / 8] & (1 << (cpu % 8))) != 0)
                cpus.Add(cpu);
        }
        return cpus;
    }

    /// <summary>Restricts the calling thread to CPUs. Only for threads of one's own: pool threads must stay free.</summary>
    public static void PinCurrentThread(params ReadOnlySpan<int> cpus)
    {
        const int MaskBytes = CpuList.Limit / 8;
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        foreach (int cpu in cpus)
        {
            if (cpu is < 0 or >= CpuList.Limit)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"cpu = {cpu}: allowed are 0 to {CpuList.Limit - 1}.");
            mask[cpu / 8] |= (byte)(1 << (cpu % 8));
        }
        if (Libc.SchedSetAffinity(0, MaskBytes, mask) != 0)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable,
                $"Cannot run on CPU {CpuList.Format([.. cpus])} (online and allowed: {CpuList.Format(Allowed())}): {Libc.Describe(Libc.Errno)}");
        }
    }

    /// <summary>The kernel's release, such as 6.18.44.</summary>
    public static string KernelRelease() => File.ReadAllText("/proc/sys/kernel/osrelease").Trim();

    /// <summary>The leading numbers of the release, for comparing.</summary>
    public static Version KernelVersion() => ParseKernelVersion(KernelRelease());

    internal static Version ParseKernelVersion(string release)
    {
        Span<int> numbers = [0, 0, 0];
        int index = 0;
        foreach (char c in release)
        {
            if (char.IsAsciiDigit(c))
                numbers[index] = (numbers[index] * 10) + (c - '0');
            else if (c != '.' || ++index == numbers.Length)
                break;
        }
        return new Version(numbers[0], numbers[1], numbers[2]);
    }

    /// <summary>The processor's marketing name, or the architecture where the kernel tells none (arm64).</summary>
    public static string ModelName()
    {
        foreach (string line in File.ReadLines("/proc/cpuinfo"))
        {
            if (line.StartsWith("model name", StringComparison.Ordinal) && line.IndexOf(':') is var colon and >= 0)
                return line[(colon + 1)..].Trim();
        }
        return System.Runtime.InteropServices.RuntimeInformation.OSArchitecture.ToString();
    }

    /// <summary>Physical memory in bytes.</summary>
    public static long MemoryBytes()
    {
        foreach (string line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith("MemTotal:", StringComparison.Ordinal))
                return long.Parse(line.AsSpan(9).TrimEnd("kB ").Trim(), CultureInfo.InvariantCulture) * 1024;
        }
        throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "/proc/meminfo has no MemTotal line.");
    }
}
