using PcpuIpsec.Netlink;

namespace PcpuIpsec.Steering;

/// <summary>How packets are steered by XDP; fixed while it is attached.</summary>
internal sealed record XdpSteeringOptions
{
    /// <summary>The kernel's own bound (kernel/bpf/cpumap.c).</summary>
    public const int QueueSizeLimit = 16384;

    /// <summary>Null chooses: native where the driver can and no packet is lost by it, else generic.</summary>
    public XdpMode? Mode { get; init; }

    /// <summary>
    /// Packets that wait for one CPU; what comes on top is dropped, and no counter of the interface shows it. A NAPI poll hands over
    /// at most 64 from each receive queue, so that many times the queues wait after one round of all.
    /// </summary>
    public int QueueSize { get; init; } = 2048;

    /// <summary>The UDP ports, whichever end's, that have ESP and IKE inside (RFC 3948).</summary>
    public IReadOnlyList<ushort> EspUdpPorts { get; init; } = [4500];

    /// <summary>How many entries there can be; memory is taken only for those that are there.</summary>
    public int EntriesAtMost { get; init; } = 1 << 18;

    internal void Validate()
    {
        Check(QueueSize is > 0 and <= QueueSizeLimit, nameof(QueueSize), QueueSize, $"1 to {QueueSizeLimit}");
        Check(EntriesAtMost is > 0 and <= 1 << 24, nameof(EntriesAtMost), EntriesAtMost, $"1 to {1 << 24}");
        Check(EspUdpPorts.Count <= SteeringConfig.EspPortsAtMost, nameof(EspUdpPorts), string.Join(", ", EspUdpPorts), $"{SteeringConfig.EspPortsAtMost} ports at most");
        Check(!EspUdpPorts.Contains((ushort)0), nameof(EspUdpPorts), string.Join(", ", EspUdpPorts), "1 to 65535");
    }

    private static void Check(bool holds, string field, object value, string allowed)
    {
        if (!holds)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{field} = {value}: allowed are {allowed}.");
    }
}

/// <summary>What the program did since it was attached.</summary>
/// <param name="Placed">Packets by the CPU that they were sent to, or had come in on already; those that found its queue full are among them.</param>
/// <param name="PassedOn">Packets that stayed where they came in, by reason.</param>
internal sealed record SteeringCounters(IReadOnlyDictionary<int, ulong> Placed, IReadOnlyDictionary<SteeringReason, ulong> PassedOn);
