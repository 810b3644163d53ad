using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Gateway;

/// <summary>
/// One tunnel: its ends, how they know each other, what is protected and how. Validated once when it is added;
/// a wrong value is refused with its field, the value and what is allowed.
/// </summary>
public sealed partial record TunnelOptions
{
    /// <summary>The tunnel's name: 1 to 64 of letters, digits, <c>-</c>, <c>_</c> and <c>.</c>, but not <c>.</c> or <c>..</c>; unique in the gateway.</summary>
    public required string Name { get; init; }

    /// <summary>Our outer address; one of this host's.</summary>
    public required IPAddress LocalAddress { get; init; }

    /// <summary>The peer's outer address, of the same family.</summary>
    public required IPAddress RemoteAddress { get; init; }

    /// <summary>Our identity (IDi or IDr, RFC 7296 §3.5): an address, an FQDN or user@fqdn; null: <see cref="LocalAddress"/>.</summary>
    public string? LocalId { get; init; }

    /// <summary>The peer's identity; null: <see cref="RemoteAddress"/>.</summary>
    public string? RemoteId { get; init; }

    /// <summary>The pre-shared key. Stays the caller's to dispose; the gateway holds a copy until the tunnel is removed.</summary>
    public Secret? PreSharedKey { get; init; }

    /// <summary>A file with the pre-shared key (a line break at its end is no part of it), readable by its owner alone (0600 or 0400). Instead of <see cref="PreSharedKey"/>.</summary>
    public string? PreSharedKeyFile { get; init; }

    /// <summary>Our side's traffic; empty: <see cref="LocalAddress"/> itself.</summary>
    public IReadOnlyList<SelectorOption> LocalSelectors { get; init; } = [];

    /// <summary>The peer's side's traffic; empty: <see cref="RemoteAddress"/> itself.</summary>
    public IReadOnlyList<SelectorOption> RemoteSelectors { get; init; } = [];

    /// <summary>Tunnel or transport mode. Default: tunnel.</summary>
    public IpsecMode Mode { get; init; } = IpsecMode.Tunnel;

    /// <summary>Suites for IKE by keyword (<c>aes128gcm16-sha256-x25519</c>), the preferred first; empty: <see cref="CipherSuite.DefaultIke"/>.</summary>
    public IReadOnlyList<string> IkeSuites { get; init; } = [];

    /// <summary>
    /// Suites for ESP by keyword (<c>aes256gcm16</c>), the preferred first, with a key exchange (<c>aes256gcm16-x25519</c>) for
    /// perfect forward secrecy of each Child SA; empty: <see cref="CipherSuite.DefaultEsp"/>.
    /// </summary>
    public IReadOnlyList<string> EspSuites { get; init; } = [];

    /// <summary>Extended sequence numbers (RFC 4303 §2.2.1): true or false for all ESP suites; null: as each suite's keyword says.</summary>
    public bool? Esn { get; init; }

    /// <summary>One Child SA per CPU (RFC 9611); null, the default: off.</summary>
    public PerCpuOptions? PerCpu { get; init; }

    /// <summary>Put ESP in UDP even where no NAT is found (RFC 3948). Default: false.</summary>
    public bool ForceEncapsulation { get; init; }

    /// <summary>UDP port of IKE, at both ends. Default: 500.</summary>
    public int IkePort { get; init; } = 500;

    /// <summary>UDP port of IKE and ESP behind a NAT, at both ends. Default: 4500.</summary>
    public int NatTraversalPort { get; init; } = 4500;

    /// <summary>IKE requests in flight that we let the peer have (SET_WINDOW_SIZE, RFC 7296 §2.3): 1 to 256. Default: 16.</summary>
    public int WindowSize { get; init; } = 16;

    /// <summary>Anti-replay window in packets: 64 to 4096. Default: 64.</summary>
    public int ReplayWindow { get; init; } = 64;

    /// <summary>When a Child SA is rekeyed; null: never by time. At least 1 s. Default: 1 h.</summary>
    public TimeSpan? ChildRekeyTime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>
    /// When a Child SA that was not rekeyed stops, longer than <see cref="ChildRekeyTime"/>; null: a tenth and
    /// <see cref="RetransmitGiveUp"/> later than that, or never where that is never.
    /// </summary>
    public TimeSpan? ChildLifeTime { get; init; }

    /// <summary>Bytes after which a Child SA is rekeyed; null, the default: never by bytes.</summary>
    public ulong? ChildRekeyBytes { get; init; }

    /// <summary>Bytes after which a Child SA stops, more than <see cref="ChildRekeyBytes"/>; null, the default: never by bytes.</summary>
    public ulong? ChildLifeBytes { get; init; }

    /// <summary>Packets after which a Child SA is rekeyed; null: never by packets. Default: 3·10⁹, in time for sequence numbers of 32 bits.</summary>
    public ulong? ChildRekeyPackets { get; init; } = 3_000_000_000;

    /// <summary>Packets after which a Child SA stops, more than <see cref="ChildRekeyPackets"/>; null, the default: when its sequence numbers end.</summary>
    public ulong? ChildLifePackets { get; init; }

    /// <summary>When the IKE SA is rekeyed; null: never. At least 1 s. Default: 4 h.</summary>
    public TimeSpan? IkeRekeyTime { get; init; } = TimeSpan.FromHours(4);

    /// <summary>The peer is asked whether it lives after this long without an authentic message from it; null: never. 1 s to 1 day. Default: 30 s.</summary>
    public TimeSpan? LivenessInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long until a request is first sent again (RFC 7296 §2.4): 10 ms to 60 s. Default: 500 ms.</summary>
    public TimeSpan RetransmitInitial { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>By how much each further wait is longer: 1 to 10. Default: 1.8.</summary>
    public double RetransmitFactor { get; init; } = 1.8;

    /// <summary>How long until the peer counts as silent: 1 s to 1 h and longer than <see cref="RetransmitInitial"/>. Default: 25 s.</summary>
    public TimeSpan RetransmitGiveUp { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary>An XFRM interface with routes for this tunnel (route-based, kernel data plane); null, the default: policies alone decide what it carries.</summary>
    public XfrmInterfaceOptions? XfrmInterface { get; init; }

    /// <summary>
    /// The TCP segment size that this host announces to the peer's side (kernel data plane); null: <see cref="MssClamp.Auto"/>
    /// with <see cref="XfrmInterface"/>, else <see cref="MssClamp.Off"/>.
    /// </summary>
    public MssClamp? Mss { get; init; }

    /// <summary>What passes in clear though the tunnel covers it, such as the traffic of a management network (kernel data plane). Default: nothing.</summary>
    public IReadOnlyList<TrafficPair> Bypass { get; init; } = [];

    /// <summary>What is dropped though the tunnel covers it (kernel data plane). Default: nothing.</summary>
    public IReadOnlyList<TrafficPair> Discard { get; init; } = [];

    /// <summary>Initiate, or wait for the peer or a packet. Default: wait.</summary>
    public StartAction StartAction { get; init; } = StartAction.Wait;

    /// <summary>In what words its faults are told.</summary>
    internal OptionWords Words { get; init; } = OptionWords.Library;
}
