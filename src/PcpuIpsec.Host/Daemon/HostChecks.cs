using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Looks at what a gateway with per-CPU SAs needs of its host, and at what makes it slow. Changes nothing.</summary>
internal static class HostChecks
{
    // XFRMA_SA_PCPU.
    private static readonly Version _perCpuKernel = new(6, 13);

    public static IReadOnlyList<HostCheck> Run(GatewayStatus status) =>
    [
        Kernel(),
        KernelEsp(),
        Pass("data-plane", $"{status.DataPlane}: {status.DataPlaneReason}"),
        CryptoInstructions(File.ReadLines("/proc/cpuinfo")),
        Forwarding(),
        Irqbalance(),
        Isolation(status.Cpus),
        .. InterfaceChecks.Run(status.Cpus.Count),
    ];

    private static HostCheck Kernel()
    {
        Version version = HostCpus.KernelVersion();
        return version >= _perCpuKernel
            ? Pass("kernel", $"Linux {HostCpus.KernelRelease()}")
            : Warn("kernel", $"Linux {HostCpus.KernelRelease()} binds no SAs to CPUs", "Linux 6.13 and later do; until then the embedded data plane has one SA per CPU");
    }

    private static HostCheck KernelEsp()
    {
        try
        {
            KernelSupport support = KernelSupport.Probe();
            return support.PerCpu ? Pass("kernel-esp", "the kernel has ESP and binds SAs to CPUs")
                : Warn("kernel-esp", "the kernel has ESP, and binds no SAs to CPUs", "use Linux 6.13 or later, or the embedded data plane");
        }
        catch (PcpuIpsecException e) when (e.Error == PcpuIpsecError.HostUnable)
        {
            return Warn("kernel-esp", e.Message, "load or build what is missing; the embedded data plane does without");
        }
    }

    internal static HostCheck CryptoInstructions(IEnumerable<string> cpuinfo)
    {
        string? line = cpuinfo.FirstOrDefault(l => l.StartsWith("flags", StringComparison.Ordinal) || l.StartsWith("Features", StringComparison.Ordinal));
        HashSet<string> flags = [.. (line ?? "").Split(' ', '\t')];
        string[] found = [.. new[] { "aes", "pclmulqdq", "pmull", "vaes", "vpclmulqdq", "avx2", "avx512f" }.Where(flags.Contains)];
        if (!flags.Contains("aes"))
            return Warn("crypto-instructions", "the processor, or the virtual machine, has no AES instructions", "choose chacha20poly1305 as the ESP suite, or give the virtual machine the host's CPU model");
        return Pass("crypto-instructions", string.Join(' ', found));
    }

    private static HostCheck Forwarding()
        => File.ReadAllText("/proc/sys/net/ipv4/ip_forward").Trim() == "1" ? Pass("forwarding", "IPv4 is forwarded")
            : Warn("forwarding", "IPv4 is not forwarded: tunnels serve this host alone", "sysctl net.ipv4.ip_forward=1 where the host is a gateway for others");

    private static HostCheck Irqbalance()
    {
        foreach (string process in Directory.EnumerateDirectories("/proc").Where(p => char.IsAsciiDigit(Path.GetFileName(p)[0])))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(process, "comm")).Trim() == "irqbalance")
                    return Warn("irqbalance", $"irqbalance (process {Path.GetFileName(process)}) moves interrupts between CPUs", "have it leave the NIC's interrupts alone (IRQBALANCE_BANNED_CPULIST or a policy script), or stop it");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile, or is none of our business.
            }
        }
        return Pass("irqbalance", "irqbalance does not run");
    }

    private static HostCheck Isolation(IReadOnlyList<int> cpus)
    {
        const string File = "/sys/devices/system/cpu/isolated";
        IReadOnlyList<int> isolated = [.. CpuList.Parse(System.IO.File.ReadAllText(File), File).Intersect(cpus)];
        return isolated.Count == 0 ? Pass("isolation", "no CPU of the data plane is isolated")
            : Warn("isolation", $"CPUs {CpuList.Format(isolated)} are isolated (isolcpus): tasks come there only if they are pinned", "leave them out by --cpus, or pin the senders to them");
    }

    private static HostCheck Pass(string name, string detail) => new() { Name = name, Outcome = CheckOutcome.Pass, Detail = detail };

    private static HostCheck Warn(string name, string detail, string advice) => new() { Name = name, Outcome = CheckOutcome.Warning, Detail = detail, Advice = advice };
}
