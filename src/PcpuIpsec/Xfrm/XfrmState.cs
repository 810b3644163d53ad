using System.Globalization;
using System.Net;

namespace PcpuIpsec.Xfrm;

/// <summary>What finds one state: destination, SPI and protocol, within a mark.</summary>
internal sealed record XfrmStateId(IPAddress Destination, uint Spi, byte Protocol = XfrmSocket.Esp, XfrmMark? Mark = null)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"state {Spi:x8} to {Destination}");
}

/// <summary>ESP in UDP (struct xfrm_encap_tmpl, UDP_ENCAP_ESPINUDP).</summary>
/// <param name="SourcePort">As this state's packets carry it; 0 inbound takes any (with <see cref="XfrmState.MappingThreshold"/>).</param>
/// <param name="DestinationPort">As this state's packets carry it.</param>
internal sealed record XfrmEncapsulation(ushort SourcePort, ushort DestinationPort)
{
    /// <summary>UDP_ENCAP_ESPINUDP (linux/udp.h).</summary>
    public const ushort EspInUdp = 2;

    public ushort Type { get; init; } = EspInUdp;
}

/// <summary>ESP done by a network device (XFRMA_OFFLOAD_DEV).</summary>
/// <param name="InterfaceIndex">The device.</param>
/// <param name="Packet">It does all of ESP; else the cipher alone.</param>
internal sealed record XfrmOffload(int InterfaceIndex, bool Packet);

/// <summary>One security association as the kernel keeps it, without its keys.</summary>
internal sealed record XfrmState
{
    /// <summary>Outer source.</summary>
    public required IPAddress Source { get; init; }

    /// <summary>Outer destination.</summary>
    public required IPAddress Destination { get; init; }

    public required uint Spi { get; init; }
    public byte Protocol { get; init; } = XfrmSocket.Esp;
    public required XfrmMode Mode { get; init; }

    /// <summary>The templates that it serves are those with this number.</summary>
    public uint RequestId { get; init; }

    /// <summary>Null on kernels before 6.10, which do not know it.</summary>
    public XfrmSaDirection? Direction { get; init; }

    /// <summary>The CPU that it is bound to (kernel 6.13, needs a direction); null for none.</summary>
    public int? Cpu { get; init; }

    public XfrmStateFlags Flags { get; init; }
    public XfrmExtraFlags ExtraFlags { get; init; }

    /// <summary>Which packets it may carry; null leaves that to the policy (set AF_UNSPEC then for tunnels across families).</summary>
    public XfrmSelector? Selector { get; init; }

    /// <summary>In packets, at most 4096; 0 outbound where a direction is given. With ESN inbound at least 1, the kernel has none smaller.</summary>
    public int ReplayWindow { get; init; }

    public XfrmLimits Limits { get; init; } = XfrmLimits.None;
    public XfrmEncapsulation? Encapsulation { get; init; }

    /// <summary>Inbound with encapsulation: at least this many seconds between two mapping events; null for each packet (kernel 5.17).</summary>
    public uint? MappingThreshold { get; init; }

    public XfrmMark? Mark { get; init; }

    /// <summary>The XFRM interface that it belongs to; 0 is none.</summary>
    public uint InterfaceId { get; init; }

    /// <summary>XFRMA_SET_MARK: put on the packets that it has treated.</summary>
    public XfrmMark? OutputMark { get; init; }

    public XfrmOffload? Offload { get; init; }

    /// <summary>Outbound with encapsulation: the kernel sends keepalives this often, in seconds (kernel 6.11).</summary>
    public uint? NatKeepaliveInterval { get; init; }

    /// <summary>The acquire that this state answers; 0 where none asked for it.</summary>
    public uint Sequence { get; init; }

    /// <summary>
    /// When the kernel is to think that it was added, whole seconds; null is now. Of two states that would do it takes the one
    /// added later, and times count from here.
    /// </summary>
    public DateTimeOffset? AddedAt { get; init; }

    public XfrmStateId Id => new(Destination, Spi, Protocol, Mark);

    public bool IsEsn => Flags.HasFlag(XfrmStateFlags.Esn);
}

/// <summary>Why packets of a state were refused (struct xfrm_stats).</summary>
/// <param name="OutsideWindow">Older than the replay window.</param>
/// <param name="Replayed">Seen before.</param>
/// <param name="IntegrityFailed">Did not authenticate.</param>
internal readonly record struct XfrmStateDrops(uint OutsideWindow, uint Replayed, uint IntegrityFailed);

/// <summary>A state as the kernel reports it.</summary>
internal sealed record XfrmInstalledState
{
    public required XfrmState State { get; init; }

    /// <summary>The kernel's name of the cipher; null with <see cref="IsLarval"/>.</summary>
    public string? Encryption { get; init; }

    /// <summary>Without an AEAD's salt counted apart: as the key was given.</summary>
    public int KeyBits { get; init; }

    /// <summary>Null with an AEAD.</summary>
    public string? Integrity { get; init; }

    public int IntegrityBits { get; init; }
    public XfrmCounters Counters { get; init; }
    public XfrmStateDrops Drops { get; init; }

    /// <summary>The last sequence number sent, with ESN in all its 64 bits.</summary>
    public ulong SentSequence { get; init; }

    /// <summary>The highest sequence number received.</summary>
    public ulong ReceivedSequence { get; init; }

    /// <summary>When it last carried a packet; not told for all states.</summary>
    public DateTimeOffset? LastUsed { get; init; }

    /// <summary>Has no keys yet: an SPI that was allocated, or the placeholder of an acquire.</summary>
    public bool IsLarval => Encryption is null && Integrity is null;
}
