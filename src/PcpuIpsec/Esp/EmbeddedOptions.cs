using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace PcpuIpsec.Esp;

/// <summary>How the embedded data plane is made; validated once, by <see cref="EmbeddedDataPlane.CreateAsync"/>.</summary>
internal sealed record EmbeddedOptions
{
    /// <summary>The CPUs it serves, each with a worker of its own; without duplicates. Online and allowed to this process.</summary>
    public required IReadOnlyList<int> Cpus { get; init; }

    /// <summary>The TUN interface, 1 to 15 characters.</summary>
    public string InterfaceName { get; init; } = "pcpu0";

    /// <summary>
    /// Choose the SA by the flow's hash instead of by the CPU that sends: a sender that migrates keeps its flow in order,
    /// while a single flow stays on one SA wherever it runs.
    /// </summary>
    public bool SteerByFlow { get; init; }

    /// <summary>The TUN interface's MTU, 1280 to 65535; null: that of the smallest link that is up, less 100 for ESP and what is around it.</summary>
    public int? Mtu { get; init; }

    /// <summary>The UDP port of ESP in UDP that outbound SAs send from where they do not say.</summary>
    public ushort NatTraversalPort { get; init; } = 4500;

    /// <summary>The firewall mark of the plane's own outer packets and of IKE: what routing rules exempt from protection. Not 0.</summary>
    public uint FwMark { get; init; } = 0x9611;

    /// <summary>
    /// The network namespace's file (/run/netns/NAME); null: the one of the calling thread. All of the plane's sockets, and those it
    /// hands out, are opened in it.
    /// </summary>
    public string? NetworkNamespace { get; init; }

    public ILogger Logger { get; init; } = NullLogger.Instance;
}
