using System.Text.Json.Serialization;

namespace PcpuIpsec.Client;

/// <summary>Tunnel or transport mode (RFC 4301 §4.1).</summary>
[JsonConverter(typeof(KebabCaseEnumConverter<TunnelMode>))]
public enum TunnelMode
{
    /// <summary>Whole packets are protected, between networks.</summary>
    Tunnel,

    /// <summary>What packets between the two gateways themselves carry is protected.</summary>
    Transport,
}

/// <summary>What happens with a tunnel once it is declared.</summary>
[JsonConverter(typeof(KebabCaseEnumConverter<TunnelStartAction>))]
public enum TunnelStartAction
{
    /// <summary>The peer is answered; a packet of the tunnel, or a command, initiates.</summary>
    Wait,

    /// <summary>It is initiated at once, and again until it is up.</summary>
    Initiate,
}

/// <summary>A tunnel as it is declared: in a file of the daemon's folder, or in a request. What is not given is the daemon's default.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record TunnelDefinition
{
    /// <summary>The tunnel's name: 1 to 64 of letters, digits, <c>-</c>, <c>_</c> and <c>.</c>, but not <c>.</c> or <c>..</c>; unique in the daemon.</summary>
    public required string Name { get; init; }

    /// <summary>Our outer address; one of the host's.</summary>
    public required string LocalAddress { get; init; }

    /// <summary>The peer's outer address, of the same family.</summary>
    public required string RemoteAddress { get; init; }

    /// <summary>Our identity: an address, an FQDN or user@fqdn; null: <see cref="LocalAddress"/>.</summary>
    public string? LocalId { get; init; }

    /// <summary>The peer's identity; null: <see cref="RemoteAddress"/>.</summary>
    public string? RemoteId { get; init; }

    /// <summary>
    /// The pre-shared key. Taken in requests alone: the daemon writes it into a file that only its owner reads, and what it
    /// lists has <see cref="PreSharedKeyFile"/> instead. A line break at its end is no part of it.
    /// </summary>
    public PreSharedKey? PreSharedKey { get; init; }

    /// <summary>The absolute path of a file with the pre-shared key on the daemon's host (mode 0600 or 0400; a line break at its end is no part of it).</summary>
    public string? PreSharedKeyFile { get; init; }

    /// <summary>The name of a systemd credential of the daemon (LoadCredential=, LoadCredentialEncrypted=) that holds the pre-shared key.</summary>
    public string? PreSharedKeyCredential { get; init; }

    /// <summary>Our side's traffic, such as <c>10.1.0.0/24</c>; null or empty: <see cref="LocalAddress"/> itself.</summary>
    public IReadOnlyList<string>? LocalSelectors { get; init; }

    /// <summary>The peer's side's traffic; null or empty: <see cref="RemoteAddress"/> itself.</summary>
    public IReadOnlyList<string>? RemoteSelectors { get; init; }

    /// <summary>Tunnel or transport mode; null: tunnel.</summary>
    public TunnelMode? Mode { get; init; }

    /// <summary>Suites for IKE by keyword (<c>aes128gcm16-sha256-x25519</c>), the preferred first.</summary>
    public IReadOnlyList<string>? IkeSuites { get; init; }

    /// <summary>Suites for ESP by keyword (<c>aes256gcm16</c>), the preferred first.</summary>
    public IReadOnlyList<string>? EspSuites { get; init; }

    /// <summary>Extended sequence numbers for all ESP suites, or for none; null: as each suite's keyword says.</summary>
    public bool? Esn { get; init; }

    /// <summary>Present, even if empty: one Child SA per CPU (RFC 9611).</summary>
    public PerCpuDefinition? PerCpu { get; init; }

    /// <summary>ESP in UDP also where no NAT is found; null: false.</summary>
    public bool? ForceEncapsulation { get; init; }

    /// <summary>UDP port of IKE, at both ends; null: 500.</summary>
    public int? IkePort { get; init; }

    /// <summary>UDP port of IKE and ESP behind a NAT, at both ends; null: 4500.</summary>
    public int? NatTraversalPort { get; init; }

    /// <summary>Anti-replay window in packets, 64 to 4096; null: 64.</summary>
    public int? ReplayWindow { get; init; }

    /// <summary>When a Child SA is rekeyed; 0 is never, here and in the other times; null: 3600.</summary>
    public double? ChildRekeySeconds { get; init; }

    /// <summary>When the IKE SA is rekeyed; null: 14400.</summary>
    public double? IkeRekeySeconds { get; init; }

    /// <summary>A peer that was silent for this long is asked whether it lives; null: 30.</summary>
    public double? LivenessSeconds { get; init; }

    /// <summary>How long until a peer that does not answer counts as silent; null: 25. Not 0.</summary>
    public double? RetransmitGiveUpSeconds { get; init; }

    /// <summary>Initiate, or wait for the peer or a packet; null: wait.</summary>
    public TunnelStartAction? StartAction { get; init; }

    /// <summary>An XFRM interface with routes (route-based, kernel data plane).</summary>
    public XfrmInterfaceDefinition? XfrmInterface { get; init; }

    /// <summary>The TCP segment size that the host announces (kernel data plane): <c>auto</c>, <c>off</c> or a number.</summary>
    [JsonConverter(typeof(NumberOrWordConverter))]
    public string? Mss { get; init; }

    /// <summary>What passes in clear though the tunnel covers it (kernel data plane).</summary>
    public IReadOnlyList<TrafficException>? Bypass { get; init; }

    /// <summary>What is dropped though the tunnel covers it (kernel data plane).</summary>
    public IReadOnlyList<TrafficException>? Discard { get; init; }
}

/// <summary>One Child SA per CPU (RFC 9611).</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record PerCpuDefinition
{
    /// <summary>The CPUs that get a Child SA of their own; null: every CPU of the data plane.</summary>
    public IReadOnlyList<int>? Cpus { get; init; }

    /// <summary>Create a CPU's Child SA when that CPU first sends, and not all of them at once; null: false.</summary>
    public bool? OnDemand { get; init; }

    /// <summary>Most Child SAs, the fallback not counted, before the peer is answered TS_MAX_QUEUE; null: twice the CPUs.</summary>
    public int? MaxChildSas { get; init; }

    /// <summary>A CPU's Child SA that was not used for this long is deleted until it is needed, 5 to 86400; null: never.</summary>
    public double? IdleSeconds { get; init; }

    /// <summary>ESP in UDP from a source port of its own for each SA, so that the peer's NIC spreads them; null: false.</summary>
    public bool? SourcePortPerSa { get; init; }
}

/// <summary>The XFRM interface of a route-based tunnel.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record XfrmInterfaceDefinition
{
    /// <summary>Its name; made where it is not there, and removed with the tunnel then.</summary>
    public required string Name { get; init; }

    /// <summary>Its number (if_id); null: one that follows from the tunnel's name.</summary>
    public uint? Id { get; init; }

    /// <summary>Its MTU, 1280 to 65535; null: what ESP leaves of the path's.</summary>
    public int? Mtu { get; init; }

    /// <summary>The prefixes that are routed into it; null: those of the remote selectors; empty: none.</summary>
    public IReadOnlyList<string>? Routes { get; init; }
}

/// <summary>Traffic between two sides, of which one at least is given, in both directions.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record TrafficException
{
    /// <summary>Our side; null: the tunnel's local selectors.</summary>
    public string? Local { get; init; }

    /// <summary>The other side; null: the tunnel's remote selectors.</summary>
    public string? Remote { get; init; }
}
