using System.Net;

namespace PcpuIpsec.Gateway;

/// <summary>Where a tunnel stands.</summary>
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
public sealed record TunnelStatus
{
    /// <summary>The tunnel's name.</summary>
    public required string Name { get; init; }

    /// <summary>Where it stands.</summary>
    public required TunnelState State { get; init; }

    /// <summary>Its IKE SA; null where there is none.</summary>
    public required IkeSaStatus? IkeSa { get; init; }

    /// <summary>Its Child SAs, by number.</summary>
    public required IReadOnlyList<ChildSaStatus> ChildSas { get; init; }

    /// <summary>Why the last attempt or IKE SA failed; null where none has since it was last up.</summary>
    public required string? LastError { get; init; }
}

/// <summary>An IKE SA at one moment.</summary>
public sealed record IkeSaStatus
{
    /// <summary>The initiator's SPI (RFC 7296 §3.1).</summary>
    public required ulong InitiatorSpi { get; init; }

    /// <summary>The responder's SPI; 0 until it answered.</summary>
    public required ulong ResponderSpi { get; init; }

    /// <summary>True where we initiated it.</summary>
    public required bool IsInitiator { get; init; }

    /// <summary>Our address and port in use; null while unknown.</summary>
    public required IPEndPoint? Local { get; init; }

    /// <summary>The peer's address and port in use; null while unknown.</summary>
    public required IPEndPoint? Remote { get; init; }

    /// <summary>The negotiated suite in keywords; null until negotiated.</summary>
    public required string? Suite { get; init; }

    /// <summary>True where both ends know RFC 9611 and want it.</summary>
    public required bool PerResource { get; init; }
}
