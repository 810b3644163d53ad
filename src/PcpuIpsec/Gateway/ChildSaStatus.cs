using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

/// <summary>A Child SA at one moment: the protocol's view joined with the data plane's counters.</summary>
public sealed record ChildSaStatus
{
    /// <summary>Its number in the tunnel; stays when it is rekeyed.</summary>
    public required int Number { get; init; }

    /// <summary>The SPI of what we receive.</summary>
    public required uint InboundSpi { get; init; }

    /// <summary>The SPI of what we send.</summary>
    public required uint OutboundSpi { get; init; }

    /// <summary>The CPU whose packets go out through it; null for the fallback and for one that no CPU uses.</summary>
    public required int? Cpu { get; init; }

    /// <summary>True for the Child SA that serves every CPU without one of its own.</summary>
    public required bool IsFallback { get; init; }

    /// <summary>True where its outbound half is in the data plane; a surplus Child SA has only the inbound one (RFC 9611 §3).</summary>
    public required bool OutboundInstalled { get; init; }

    /// <summary>True where we asked for it.</summary>
    public required bool InitiatedByUs { get; init; }

    /// <summary>Tunnel or transport mode.</summary>
    public required IpsecMode Mode { get; init; }

    /// <summary>The negotiated suite in keywords.</summary>
    public required string Suite { get; init; }

    /// <summary>Our side's traffic as negotiated.</summary>
    public required IReadOnlyList<TrafficSelector> LocalSelectors { get; init; }

    /// <summary>The peer's side's traffic as negotiated.</summary>
    public required IReadOnlyList<TrafficSelector> RemoteSelectors { get; init; }

    /// <summary>Packets received through the current inbound SA (data plane).</summary>
    public required long PacketsIn { get; init; }

    /// <summary>Bytes received through the current inbound SA, as the data plane counts them.</summary>
    public required long BytesIn { get; init; }

    /// <summary>Packets sent through the current outbound SA (data plane).</summary>
    public required long PacketsOut { get; init; }

    /// <summary>Bytes sent through the current outbound SA, as the data plane counts them.</summary>
    public required long BytesOut { get; init; }

    /// <summary>Inbound packets dropped by the anti-replay window (RFC 4303 §3.4.3).</summary>
    public required long ReplayDrops { get; init; }

    /// <summary>Inbound packets dropped because their integrity check failed.</summary>
    public required long IntegrityDrops { get; init; }

    /// <summary>Packets of either direction dropped for another reason (selectors, lifetime, malformed).</summary>
    public required long OtherDrops { get; init; }

    /// <summary>When the data plane last used it in either direction; null where it never did or does not tell.</summary>
    public required DateTimeOffset? LastUsed { get; init; }
}
