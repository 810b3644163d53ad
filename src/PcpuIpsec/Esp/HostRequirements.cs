using PcpuIpsec.Host;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Esp;

/// <summary>What the embedded plane needs of the host; each check names what is missing.</summary>
internal static class HostRequirements
{
    public const string TunPath = "/dev/net/tun";

    /// <summary>The most that a TUN has (MAX_TAP_QUEUES).</summary>
    public const int MaximumCpus = 256;

    /// <summary>Checks options and host.</summary>
    public static void Check(EmbeddedOptions options)
    {
        CheckOptions(options);
        CheckCpus(options.Cpus, HostCpus.Allowed());
        CheckCapabilities(Capabilities.Effective(), needsBpf: !options.SteerByFlow);
        if (!File.Exists(TunPath))
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable,
                $"{TunPath} does not exist: the kernel module tun is not loaded (modprobe tun), or the container was not given the device (--device {TunPath}).");
        }
    }

    private static void CheckOptions(EmbeddedOptions options)
    {
        if (options.InterfaceName.Length is 0 or > RouteSocket.NameLengthAtMost || options.InterfaceName.AsSpan().ContainsAny(" /:%\t\n"))
            throw Invalid($"InterfaceName = '{options.InterfaceName}': allowed are 1 to {RouteSocket.NameLengthAtMost} characters without spaces, '/', ':' and '%'.");
        if (options.Mtu is < 1280 or > 65535)
            throw Invalid($"Mtu = {options.Mtu}: allowed are 1280 (the least of IPv6) to 65535.");
        if (options.FwMark == 0)
            throw Invalid("FwMark = 0: allowed is any other number; 0 is what packets without a mark have.");
        if (options.NatTraversalPort == 0)
            throw Invalid("NatTraversalPort = 0: allowed are 1 to 65535.");
    }

    internal static void CheckCpus(IReadOnlyList<int> cpus, IReadOnlyList<int> allowed)
    {
        if (cpus.Count is 0 or > MaximumCpus)
            throw Invalid($"Cpus has {cpus.Count} entries: allowed are 1 to {MaximumCpus}, the queues that a TUN can have.");
        var seen = new HashSet<int>();
        foreach (int cpu in cpus)
        {
            if (!allowed.Contains(cpu))
                throw Invalid($"Cpus has CPU {cpu}: allowed are those online and given to this process, {CpuList.Format(allowed)}.");
            if (!seen.Add(cpu))
                throw Invalid($"Cpus has CPU {cpu} twice: each is allowed once.");
        }
    }

    internal static void CheckCapabilities(ulong effective, bool needsBpf)
    {
        bool Has(int capability) => (effective & (1UL << capability)) != 0;
        List<string> missing = [];
        if (!Has(Capabilities.NetAdmin))
            missing.Add("CAP_NET_ADMIN (the TUN interface, routes and marks)");
        if (!Has(Capabilities.NetRaw))
            missing.Add("CAP_NET_RAW (ESP and ICMP sockets)");
        if (!Has(Capabilities.NetBindService))
            missing.Add("CAP_NET_BIND_SERVICE (UDP port 500)");
        // Kernels before 5.8 have CAP_SYS_ADMIN in its place, and later ones still take it.
        if (needsBpf && !Has(Capabilities.Bpf) && !Has(Capabilities.SysAdmin))
            missing.Add("CAP_BPF (steering by CPU; steering by flow does without)");
        if (missing.Count > 0)
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The embedded data plane lacks {string.Join(" and ", missing)}: run it as root or give it these capabilities.");
    }

    private static PcpuIpsecException Invalid(string message) => new(PcpuIpsecError.InvalidOption, message);
}
