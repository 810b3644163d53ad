using PcpuIpsec.Ethtool;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Tuning;

/// <summary>An interface as tuning sees it; what its driver does not tell is null.</summary>
internal sealed record NicState
{
    public required string Link { get; init; }

    public int Mtu { get; init; }

    public bool IsUp { get; init; }

    public DriverInfo? Driver { get; init; }

    /// <summary>Where its device is; below 0 where it has none, or the host has one node.</summary>
    public int NumaNode { get; init; } = -1;

    public Channels? Channels { get; init; }

    public Rings? Rings { get; init; }

    public IReadOnlyDictionary<string, long>? Coalescing { get; init; }

    public Features? Features { get; init; }

    public Pause? Pause { get; init; }

    public Rss? Rss { get; init; }

    public IReadOnlyList<NicIrq> Irqs { get; init; } = [];

    /// <summary>Its queues in sysfs: <c>rx-0</c>, <c>tx-0</c>, …</summary>
    public IReadOnlyList<string> Queues { get; init; } = [];

    /// <exception cref="PcpuIpsecException">It is not there.</exception>
    public static NicState Read(HostFiles files, EthtoolSocket? ethtool, Link link) => new()
    {
        Link = link.Name,
        Mtu = link.Mtu,
        IsUp = link.IsUp,
        Driver = ethtool?.Driver(link.Name),
        NumaNode = int.TryParse(HostFiles.TryRead(files.OfLink(link.Name, "device/numa_node")), out int node) ? node : -1,
        Channels = ethtool?.Channels(link.Name),
        Rings = ethtool?.Rings(link.Name),
        Coalescing = ethtool?.Coalescing(link.Name),
        Features = ethtool?.Features(link.Name),
        Pause = ethtool?.Pause(link.Name),
        Rss = ethtool?.Rss(link.Name),
        Irqs = NicIrqs.Of(files, link.Name),
        Queues = HostFiles.Names(files.OfLink(link.Name, "queues")),
    };

    /// <summary>
    /// What a driver may set anew where its channels change: where IRQs go, which CPUs queues serve, the table of queues.
    /// </summary>
    public IReadOnlyList<string> DisturbedByChannels =>
    [
        SettingKeys.OfNic(Link, NicSettings.Rss),
        .. Irqs.Select(i => SettingKeys.OfIrq(Link, i.Action)),
        .. Queues.SelectMany(q => q.StartsWith("rx-", StringComparison.Ordinal)
            ? new[] { SettingKeys.OfQueue(Link, q, "rps_cpus"), SettingKeys.OfQueue(Link, q, "rps_flow_cnt") }
            : [SettingKeys.OfQueue(Link, q, "xps_cpus"), SettingKeys.OfQueue(Link, q, "xps_rxqs")]),
    ];
}
