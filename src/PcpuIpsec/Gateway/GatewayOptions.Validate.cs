using PcpuIpsec.Host;

namespace PcpuIpsec.Gateway;

public sealed partial record GatewayOptions
{
    private static readonly TimeSpan _longestClose = TimeSpan.FromSeconds(60);

    /// <summary>Checks what does not depend on a tunnel; the data plane checks what is its own.</summary>
    internal void Validate()
    {
        if (!Enum.IsDefined(DataPlane))
            throw Bad($"{nameof(DataPlane)}: '{DataPlane}' is not allowed; allowed: Auto, Kernel, Embedded");
        if (Tunnels is null || Tunnels.Contains(null!))
            throw Bad($"{nameof(Tunnels)}: 'null' is not allowed; allowed: a list of tunnels, or an empty one");
        if (LoggerFactory is null)
            throw Bad($"{nameof(LoggerFactory)}: 'null' is not allowed; allowed: a factory, such as NullLoggerFactory.Instance");
        if (CloseTimeout < TimeSpan.Zero || CloseTimeout > _longestClose)
            throw Bad($"{nameof(CloseTimeout)}: '{CloseTimeout:c}' is not allowed; allowed: 00:00:00 to {_longestClose:c}");
        if (Cpus is not { } cpus)
            return;
        if (cpus.Count == 0)
            throw Bad($"{Words.Name(nameof(Cpus))}: an empty list; allowed are one or more CPUs, or null for all that are online");
        IReadOnlyList<int> online = HostCpus.Online();
        foreach (int cpu in cpus)
        {
            if (!online.Contains(cpu))
                throw Bad($"{Words.Name(nameof(Cpus))}: CPU {cpu} is not online; online are {CpuList.Format(online)}");
        }
    }

    private static PcpuIpsecException Bad(string message) => new(PcpuIpsecError.InvalidOption, message);
}
