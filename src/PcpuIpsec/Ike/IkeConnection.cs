using System.Net;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike;

/// <summary>What the protocol needs to know of one connection: validated at the gateway's edge, immutable here.</summary>
internal sealed record IkeConnection
{
    public required string Name { get; init; }
    public required IPAddress LocalAddress { get; init; }
    public required IPAddress RemoteAddress { get; init; }

    /// <summary>UDP port of IKE at both ends, and the one after a NAT was found or encapsulation asked for (RFC 7296 §2.23).</summary>
    public int IkePort { get; init; } = 500;
    public int NatTraversalPort { get; init; } = 4500;
    public required IkeIdentity LocalId { get; init; }
    public required IkeIdentity RemoteId { get; init; }

    /// <summary>In order of preference.</summary>
    public required IReadOnlyList<CipherSuite> IkeSuites { get; init; }

    /// <summary>In order of preference.</summary>
    public required IReadOnlyList<CipherSuite> EspSuites { get; init; }
    public required IReadOnlyList<TrafficSelector> LocalSelectors { get; init; }
    public required IReadOnlyList<TrafficSelector> RemoteSelectors { get; init; }
    public IpsecMode Mode { get; init; } = IpsecMode.Tunnel;

    /// <summary>Use ESP in UDP even where no NAT is found.</summary>
    public bool ForceEncapsulation { get; init; }

    /// <summary>Ask for, and accept, one Child SA per CPU (RFC 9611).</summary>
    public bool PerCpu { get; init; }

    /// <summary>The CPUs that get a Child SA; the data plane's where null was configured.</summary>
    public IReadOnlyList<int> Cpus { get; init; } = [];

    /// <summary>Create per-CPU Child SAs on acquire and not all at once.</summary>
    public bool OnDemand { get; init; }

    /// <summary>Most Child SAs for the selectors, the fallback not counted, before TS_MAX_QUEUE is answered.</summary>
    public int MaxChildSas { get; init; }

    /// <summary>Per-CPU Child SAs that neither end uses for this long are deleted until they are needed; null is never.</summary>
    public TimeSpan? IdleTime { get; init; }

    /// <summary>ESP in UDP from a source port of its own for each outbound SA, and from any for inbound ones.</summary>
    public bool SourcePortPerSa { get; init; }

    /// <summary>Requests in flight that we announce to take (SET_WINDOW_SIZE, RFC 7296 §2.3).</summary>
    public int WindowSize { get; init; } = 16;
    public int ReplayWindow { get; init; } = 64;
    public SaLifetime ChildLifetime { get; init; } = new();

    /// <summary>When we rekey a Child SA, and the IKE SA; null is never. Up to a tenth earlier by chance.</summary>
    public TimeSpan? ChildRekeyTime { get; init; } = TimeSpan.FromHours(1);
    public TimeSpan? IkeRekeyTime { get; init; } = TimeSpan.FromHours(4);

    /// <summary>An empty INFORMATIONAL goes out after this long without an authentic message; null is never.</summary>
    public TimeSpan? LivenessInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>First retransmission, factor, and when we give up (RFC 7296 §2.4).</summary>
    public TimeSpan RetransmitInitial { get; init; } = TimeSpan.FromMilliseconds(500);
    public double RetransmitFactor { get; init; } = 1.8;
    public TimeSpan RetransmitGiveUp { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary>Hand the keys of IKE SAs out for decryption by a capture's reader: on explicit request only.</summary>
    public bool ExportKeys { get; init; }

    /// <summary>How long a removed Child SA's inbound half stays for packets still under way.</summary>
    public TimeSpan InboundGrace { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long a responder waits for the first inbound packet before it uses a new outbound half beside an existing one. Where it
    /// replaces that, the peer's Delete of it ends the wait too. Longer than common peers take to ask again when our response was
    /// lost (strongSwan: 4 s).
    /// </summary>
    public TimeSpan OutboundDelay { get; init; } = TimeSpan.FromSeconds(5);
}
