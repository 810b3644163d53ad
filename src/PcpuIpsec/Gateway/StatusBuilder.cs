using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

/// <summary>Joins the protocol's view of the SAs with the data plane's counters.</summary>
internal static class StatusBuilder
{
    public static TunnelStatus Tunnel(string name, ConnectionSnapshot? connection, string? lastError, IEnumerable<SaCounters> counters)
    {
        Dictionary<(SaDirection, uint), SaCounters> bySpi = [];
        foreach (SaCounters sa in counters)
            bySpi[(sa.Direction, sa.Spi)] = sa;
        return new TunnelStatus
        {
            Name = name,
            State = connection?.State switch
            {
                "up" => TunnelState.Up,
                "connecting" => TunnelState.Connecting,
                _ => TunnelState.Down,
            },
            IkeSa = connection is null or { InitiatorSpi: 0 } ? null : new IkeSaStatus
            {
                InitiatorSpi = connection.InitiatorSpi,
                ResponderSpi = connection.ResponderSpi,
                IsInitiator = connection.IsInitiator,
                Local = connection.Local,
                Remote = connection.Remote,
                Suite = connection.Suite is { } suite ? SuiteText.Of(suite) : null,
                PerResource = connection.PerResource,
            },
            ChildSas = [.. (connection?.Children ?? []).OrderBy(c => c.Number).Select(c => ChildSa(
                c,
                bySpi.GetValueOrDefault((SaDirection.Inbound, c.InboundSpi)),
                bySpi.GetValueOrDefault((SaDirection.Outbound, c.OutboundSpi))))],
            LastError = lastError,
        };
    }

    public static ChildSaStatus ChildSa(ChildSaInfo child, SaCounters? inbound, SaCounters? outbound) => new()
    {
        Number = child.Number,
        InboundSpi = child.InboundSpi,
        OutboundSpi = child.OutboundSpi,
        Cpu = child.Cpu,
        IsFallback = child.IsFallback,
        OutboundInstalled = child.OutboundInstalled,
        InitiatedByUs = child.InitiatedByUs,
        Mode = child.Mode,
        Suite = SuiteText.Of(child.Suite),
        LocalSelectors = child.LocalSelectors,
        RemoteSelectors = child.RemoteSelectors,
        PacketsIn = inbound?.Packets ?? 0,
        BytesIn = inbound?.Bytes ?? 0,
        PacketsOut = outbound?.Packets ?? 0,
        BytesOut = outbound?.Bytes ?? 0,
        ReplayDrops = inbound?.ReplayDrops ?? 0,
        IntegrityDrops = inbound?.IntegrityDrops ?? 0,
        OtherDrops = (inbound?.OtherDrops ?? 0) + (outbound?.OtherDrops ?? 0),
        LastUsed = Later(inbound?.LastUsed, outbound?.LastUsed),
    };

    private static DateTimeOffset? Later(DateTimeOffset? one, DateTimeOffset? other)
        => one is null || other > one ? other : one;
}
