using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using PcpuIpsec.Ike;

namespace PcpuIpsec.DataPlane;

/// <summary>
/// What carries the protected packets: the kernel (XFRM) or the embedded plane (ESP in user space).
/// Speaks of SAs, policies, acquires and counters; nothing of netlink or TUN shows through.
/// Calls come from one thread at a time; events may come from any.
/// </summary>
internal interface IDataPlane : IAsyncDisposable
{
    /// <summary>"embedded" or "kernel".</summary>
    string Name { get; }

    DataPlaneAbilities Abilities { get; }

    /// <summary>The CPUs that it serves: an SA can be bound to each of these and to no other.</summary>
    IReadOnlyList<int> Cpus { get; }

    /// <summary>What the plane has to say, in order.</summary>
    ChannelReader<DataPlaneEvent> Events { get; }

    /// <summary>
    /// From the moment this returns no packet that the policy covers leaves in clear, whatever happens to this process.
    /// Holding what is held already (left by a killed process) takes it over. Where it fails, what was not held before is not held.
    /// </summary>
    /// <returns>How it was held before.</returns>
    ValueTask<PriorHold> HoldAsync(TrafficPolicy policy, CancellationToken cancellationToken);

    /// <summary>
    /// Lets the policy's traffic go as it would have gone without us. The only way in which protection ends; what SAs are left
    /// of it end with it.
    /// </summary>
    /// <returns>Whether it was held, by this process or one before.</returns>
    ValueTask<bool> ReleaseAsync(string connection, CancellationToken cancellationToken);

    /// <summary>
    /// A UDP socket bound to the address and port that IKE shares with ESP in UDP (RFC 3948): datagrams with the non-ESP
    /// marker can be received from it, ESP is taken by the plane. Sends go through it too.
    /// </summary>
    Socket OpenEncapsulationSocket(IPEndPoint local);

    /// <summary>A socket for plain IKE (port 500) that is exempt from the policies.</summary>
    Socket OpenIkeSocket(IPEndPoint local);

    /// <summary>Reserves an inbound SPI (256 to 2^32-1, unused) whose packets the plane can land on the CPU, where one is given.</summary>
    ValueTask<uint> ReserveSpiAsync(string connection, int? cpu, IPAddress local, IPAddress remote, CancellationToken cancellationToken);

    void ReleaseSpi(uint spi, IPAddress local);

    ValueTask InstallAsync(SaInstallation sa, CancellationToken cancellationToken);

    /// <summary>Removes an SA of the connection; another connection's stays, though it has the same SPI and destination.</summary>
    ValueTask RemoveAsync(string connection, SaDirection direction, uint spi, IPAddress destination, CancellationToken cancellationToken);

    /// <summary>
    /// The peer's outer address or UDP port is another (RFC 7296 §2.23): an installed SA goes on there with its keys, sequence
    /// numbers and counters. Known by its new destination from then on. Throws where the plane cannot change that in place,
    /// and leaves the SA as it was; it is then rekeyed.
    /// </summary>
    ValueTask UpdateRemoteAsync(SaDirection direction, uint spi, IPEndPoint oldRemote, IPEndPoint newRemote, CancellationToken cancellationToken);

    /// <summary>
    /// Whether a CPU that has no SA of its own raises <see cref="AcquireRaised"/>; for policies with
    /// <see cref="TrafficPolicy.AcquirePerCpu"/>, which begin without. Where it is not allowed such a CPU sends with the SA
    /// that is bound to none, and what was raised and has brought no SA is forgotten: it holds up no CPU.
    /// </summary>
    ValueTask AllowAcquiresAsync(string connection, bool allowed, CancellationToken cancellationToken);

    /// <summary>One row an SA, those just removed not included.</summary>
    IReadOnlyList<SaCounters> ReadSaCounters();

    /// <summary>Drops by reason over the plane's life, in the kernel's names where it has one for the thing (e.g. XfrmInStateSeqError).</summary>
    IReadOnlyDictionary<string, long> ReadDropCounters();
}

/// <summary>What of a connection a process before this one left.</summary>
internal enum PriorHold
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Its traffic was held.</summary>
    Held,

    /// <summary>And SAs carry it, which nobody can rekey: until the connection has some of its own.</summary>
    Carried,
}

/// <summary>What a plane can do.</summary>
internal sealed record DataPlaneAbilities(bool PerCpuSa, bool PerCpuAcquire, bool TransportMode, bool Encapsulation)
{
    /// <summary>It carries <see cref="TrafficPolicy.Interface"/>.</summary>
    public bool RouteBased { get; init; }

    /// <summary>It carries <see cref="TrafficPolicy.Bypass"/> and <see cref="TrafficPolicy.Discard"/>.</summary>
    public bool Exceptions { get; init; }

    /// <summary>It carries <see cref="TrafficPolicy.Mss"/>.</summary>
    public bool MssClamping { get; init; }
}

/// <summary>What is protected for one connection (RFC 4301 §4.4.1).</summary>
internal sealed record TrafficPolicy
{
    public required string Connection { get; init; }
    public required IpsecMode Mode { get; init; }
    public required IReadOnlyList<TrafficSelector> LocalSelectors { get; init; }
    public required IReadOnlyList<TrafficSelector> RemoteSelectors { get; init; }
    public required IPAddress LocalAddress { get; init; }
    public required IPAddress RemoteAddress { get; init; }

    /// <summary>SAs bound to CPUs will come beside the one that is bound to none.</summary>
    public bool PerCpu { get; init; }

    /// <summary>How many of them at most.</summary>
    public int PerCpuSasAtMost { get; init; }

    /// <summary>
    /// Raise <see cref="AcquireRaised"/> for a CPU that sends and has no SA of its own, from the first
    /// <see cref="IDataPlane.AllowAcquiresAsync"/> on and while that allows it.
    /// </summary>
    public bool AcquirePerCpu { get; init; }

    /// <summary>The interface that its packets are routed into; null where policies alone decide.</summary>
    public RoutedInterface? Interface { get; init; }

    /// <summary>The number of that interface (XFRMA_IF_ID); 0 without one.</summary>
    public uint InterfaceId => Interface?.Id ?? 0;

    /// <summary>What passes in clear, though the policy covers it.</summary>
    public IReadOnlyList<SelectorPair> Bypass { get; init; } = [];

    /// <summary>What is dropped, though the policy covers it.</summary>
    public IReadOnlyList<SelectorPair> Discard { get; init; } = [];

    /// <summary>The TCP segment size that this host announces to what the policy covers; null: its own.</summary>
    public SegmentSize? Mss { get; init; }
}

/// <summary>Traffic between two sides, whichever begins.</summary>
internal sealed record SelectorPair(IReadOnlyList<TrafficSelector> Local, IReadOnlyList<TrafficSelector> Remote);

/// <summary>An interface of a tunnel (route-based).</summary>
/// <param name="Name">Its name.</param>
/// <param name="Id">Its number, not 0.</param>
/// <param name="Mtu">Its MTU; null: what fits into the path's with the SA's overhead.</param>
/// <param name="Routes">What is routed into it.</param>
internal sealed record RoutedInterface(string Name, uint Id, int? Mtu, IReadOnlyList<IPNetwork> Routes);

/// <summary>A TCP segment size.</summary>
/// <param name="Bytes">Null: what fits into a packet of the tunnel.</param>
internal sealed record SegmentSize(int? Bytes);

/// <summary>The counters of one SA.</summary>
internal sealed record SaCounters(SaDirection Direction, string Connection, uint Spi, int? Cpu, long Packets, long Bytes, long ReplayDrops, long IntegrityDrops, long OtherDrops, DateTimeOffset? LastUsed);

/// <summary>What a plane reports.</summary>
internal abstract record DataPlaneEvent;

/// <summary>
/// A CPU sends and has no SA of its own; the trigger is the packet's own selector pair (RFC 7296 §2.9). Without a CPU there
/// was no SA for the packet at all, and the plane does not say which CPU had it.
/// </summary>
internal sealed record AcquireRaised(string Connection, int? Cpu, TrafficSelector TriggerLocal, TrafficSelector TriggerRemote) : DataPlaneEvent;

/// <summary>A lifetime was reached; after a hard one the SA carries nothing any more.</summary>
internal sealed record SaExpired(SaDirection Direction, uint Spi, IPAddress Destination, bool Hard) : DataPlaneEvent;

/// <summary>The first authentic packet of an inbound SA arrived: the peer uses it, so our outbound half may be used too.</summary>
internal sealed record InboundUsed(uint Spi) : DataPlaneEvent;

/// <summary>Authentic packets come from another outer address or port: the peer is behind a NAT that moved it (RFC 7296 §2.23).</summary>
internal sealed record PeerMapped(uint Spi, IPEndPoint NewRemote) : DataPlaneEvent;

/// <summary>A worker or device failed; the plane carries no more traffic until it is made anew.</summary>
internal sealed record PlaneFailed(string Reason) : DataPlaneEvent;
