using System.Text.Json.Serialization;

namespace PcpuIpsec.Client;

/// <summary>Where a tunnel stands.</summary>
[JsonConverter(typeof(KebabCaseEnumConverter<TunnelState>))]
public enum TunnelState
{
    /// <summary>No IKE SA. The traffic is held: nothing leaves in clear.</summary>
    Down,

    /// <summary>An IKE SA is being set up.</summary>
    Connecting,

    /// <summary>The IKE SA is up.</summary>
    Up,
}

/// <summary>A tunnel at one moment.</summary>
public sealed record Tunnel
{
    /// <summary>The tunnel's name.</summary>
    public required string Name { get; init; }

    /// <summary>Where it stands.</summary>
    public required TunnelState State { get; init; }

    /// <summary>Why the last attempt or IKE SA failed; null where none has since it was last up.</summary>
    public string? LastError { get; init; }

    /// <summary>As it was declared, without keys.</summary>
    public required TunnelDefinition Definition { get; init; }

    /// <summary>Its IKE SA; null where there is none.</summary>
    public IkeSa? IkeSa { get; init; }

    /// <summary>Its Child SAs, by number.</summary>
    public required IReadOnlyList<ChildSa> ChildSas { get; init; }
}

/// <summary>What a command made of a tunnel.</summary>
public sealed record TunnelChange
{
    /// <summary>False where all was as asked for before.</summary>
    public required bool Changed { get; init; }

    /// <summary>The tunnel then; null where it was removed.</summary>
    public Tunnel? Tunnel { get; init; }
}

/// <summary>An IKE SA at one moment.</summary>
public sealed record IkeSa
{
    /// <summary>The initiator's SPI, 16 hexadecimal digits.</summary>
    public required string InitiatorSpi { get; init; }

    /// <summary>The responder's SPI; zeroes until it answered.</summary>
    public required string ResponderSpi { get; init; }

    /// <summary>True where our side initiated it.</summary>
    public required bool IsInitiator { get; init; }

    /// <summary>Our address and port in use; null while unknown.</summary>
    public string? Local { get; init; }

    /// <summary>The peer's address and port in use; null while unknown.</summary>
    public string? Remote { get; init; }

    /// <summary>The negotiated suite in keywords; null until negotiated.</summary>
    public string? Suite { get; init; }

    /// <summary>True where both ends know RFC 9611 and want it.</summary>
    public required bool PerResource { get; init; }
}

/// <summary>A Child SA at one moment.</summary>
public sealed record ChildSa
{
    /// <summary>The tunnel's name.</summary>
    public required string Tunnel { get; init; }

    /// <summary>Its number in the tunnel; stays when it is rekeyed.</summary>
    public required int Number { get; init; }

    /// <summary>The CPU whose packets go out through it; null for the fallback and for one that no CPU uses.</summary>
    public int? Cpu { get; init; }

    /// <summary>True for the one that serves every CPU without one of its own.</summary>
    public required bool IsFallback { get; init; }

    /// <summary>The SPI of what we receive, as <c>ip xfrm state</c> shows it.</summary>
    public required string InboundSpi { get; init; }

    /// <summary>The SPI of what we send.</summary>
    public required string OutboundSpi { get; init; }

    /// <summary>True where its outbound half is in the data plane; a surplus Child SA has only the inbound one (RFC 9611 §3).</summary>
    public required bool OutboundInstalled { get; init; }

    /// <summary>True where our side asked for it.</summary>
    public required bool InitiatedByUs { get; init; }

    /// <summary>Tunnel or transport mode.</summary>
    public required TunnelMode Mode { get; init; }

    /// <summary>The negotiated suite in keywords.</summary>
    public required string Suite { get; init; }

    /// <summary>Our side's traffic as negotiated.</summary>
    public required IReadOnlyList<string> LocalSelectors { get; init; }

    /// <summary>The peer's side's traffic as negotiated.</summary>
    public required IReadOnlyList<string> RemoteSelectors { get; init; }

    /// <summary>Packets received through the current inbound SA.</summary>
    public required long PacketsIn { get; init; }

    /// <summary>Bytes received through the current inbound SA, as the data plane counts them.</summary>
    public required long BytesIn { get; init; }

    /// <summary>Packets sent through the current outbound SA.</summary>
    public required long PacketsOut { get; init; }

    /// <summary>Bytes sent through the current outbound SA, as the data plane counts them.</summary>
    public required long BytesOut { get; init; }

    /// <summary>Inbound packets dropped by the anti-replay window (RFC 4303 §3.4.3).</summary>
    public required long ReplayDrops { get; init; }

    /// <summary>Inbound packets dropped because their integrity check failed.</summary>
    public required long IntegrityDrops { get; init; }

    /// <summary>Packets of either direction dropped for another reason.</summary>
    public required long OtherDrops { get; init; }

    /// <summary>When it was last used in either direction; null where it never was or the data plane does not tell.</summary>
    public DateTimeOffset? LastUsed { get; init; }
}
