using System.Net;
using System.Net.Sockets;

namespace PcpuIpsec.Netlink;

/// <summary>IFF_* (linux/if.h).</summary>
[Flags]
internal enum LinkFlags : uint
{
    None = 0,
    Up = 0x1,
    Loopback = 0x8,
    PointToPoint = 0x10,
    Running = 0x40,
    NoArp = 0x80,
    LowerUp = 0x10000,
}

/// <summary>A network interface.</summary>
/// <param name="Index">Its number within its namespace.</param>
/// <param name="Name">Its name.</param>
/// <param name="Kind">IFLA_INFO_KIND ("veth", "tun", "dummy"); null for hardware and loopback.</param>
/// <param name="Flags">IFF_*.</param>
/// <param name="Mtu">In bytes.</param>
/// <param name="HardwareAddress">Six bytes for Ethernet, none for tunnels.</param>
/// <param name="TxQueues">Transmit queues.</param>
/// <param name="RxQueues">Receive queues.</param>
/// <param name="PeerIndex">A veth's peer, in the peer's namespace.</param>
/// <param name="XfrmInterfaceId">An XFRM interface's if_id.</param>
/// <param name="Group">IFLA_GROUP: a number of its maker's choice.</param>
internal sealed record Link(int Index, string Name, string? Kind, LinkFlags Flags, int Mtu, ReadOnlyMemory<byte> HardwareAddress, int TxQueues, int RxQueues, int? PeerIndex, uint? XfrmInterfaceId = null, uint Group = 0)
{
    public bool IsUp => Flags.HasFlag(LinkFlags.Up);
}

/// <summary>One end of a veth pair to be made.</summary>
internal sealed record VethEnd
{
    public required string Name { get; init; }

    /// <summary>The descriptor of the namespace that it goes to; null leaves it in the socket's.</summary>
    public int? NamespaceFd { get; init; }

    public int Mtu { get; init; } = 1500;

    /// <summary>Transmit and receive queues, each.</summary>
    public int Queues { get; init; } = 1;
}

/// <summary>An address of an interface.</summary>
internal sealed record LinkAddressEntry(int InterfaceIndex, IPAddress Address, int PrefixLength, bool Tentative);

/// <summary>RTN_* (linux/rtnetlink.h).</summary>
internal enum RouteType : byte
{
    Unicast = 1,
    Local = 2,
    Broadcast = 3,
    Anycast = 4,
    Multicast = 5,
    Blackhole = 6,
    Unreachable = 7,
    Prohibit = 8,

    /// <summary>The table has no answer: the rules go on.</summary>
    Throw = 9,
}

/// <summary>One route.</summary>
internal sealed record Route
{
    /// <summary>RT_TABLE_MAIN and RT_TABLE_LOCAL.</summary>
    public const uint MainTable = 254, LocalTable = 255;

    /// <summary>RTPROT_STATIC: set by an administrator; the kernel's own is 2.</summary>
    public const byte StaticProtocol = 4;

    /// <summary>Where to; 0.0.0.0/0 or ::/0 for the default route, which also says the family.</summary>
    public required IPNetwork Destination { get; init; }

    public RouteType Type { get; init; } = RouteType.Unicast;
    public int? OutputInterface { get; init; }
    public IPAddress? Gateway { get; init; }

    /// <summary>RTNH_F_ONLINK: the gateway is on the link, whatever the addresses say.</summary>
    public bool OnLink { get; init; }

    /// <summary>RTA_VIA: a gateway of the other family, as the kernel has it.</summary>
    public byte[]? Via { get; init; }

    /// <summary>RTA_MULTIPATH: several ways, as the kernel has them.</summary>
    public byte[]? Multipath { get; init; }

    /// <summary>RTA_NH_ID: a nexthop object; what else of the way is told beside it is the object's.</summary>
    public uint? NextHopId { get; init; }

    /// <summary>RTA_ENCAP: packets are wrapped on their way. Read and not written.</summary>
    public bool IsEncapsulating { get; init; }

    public IPAddress? PreferredSource { get; init; }

    /// <summary>Lower wins. Null is 0 for IPv4; IPv6 has no 0 and takes 1024 (unicast) in its place.</summary>
    public uint? Metric { get; init; }

    public uint Table { get; init; } = MainTable;

    /// <summary>RTPROT_*: who made it; anything from 17 up is free, so that one's own routes can be found again.</summary>
    public byte Protocol { get; init; } = StaticProtocol;

    /// <summary>RTAX_MTU: the path's MTU, where it is less than the interface's.</summary>
    public int? Mtu { get; init; }

    /// <summary>RTAX_ADVMSS: the TCP segment size that is announced to peers over this route.</summary>
    public int? AdvertisedMss { get; init; }
}

/// <summary>FR_ACT_* (linux/fib_rules.h).</summary>
internal enum RuleAction : byte
{
    ToTable = 1,

    /// <summary>On to the rule with the priority <see cref="Rule.Target"/>, which is higher.</summary>
    Goto = 2,

    /// <summary>Nothing: a target for <see cref="Goto"/>.</summary>
    Nop = 3,
    Blackhole = 6,
    Unreachable = 7,
    Prohibit = 8,
}

/// <summary>One routing rule: what it matches, and where such packets are looked up.</summary>
internal sealed record Rule
{
    /// <summary>InterNetwork or InterNetworkV6.</summary>
    public required AddressFamily Family { get; init; }

    /// <summary>Lower is looked at earlier; the main table's rule is 32766.</summary>
    public required uint Priority { get; init; }

    public RuleAction Action { get; init; } = RuleAction.ToTable;

    /// <summary>For <see cref="RuleAction.ToTable"/>; rules that refuse only carry it.</summary>
    public uint Table { get; init; } = Route.MainTable;

    /// <summary>For <see cref="RuleAction.Goto"/>.</summary>
    public uint? Target { get; init; }

    /// <summary>FIB_RULE_INVERT: matches where the conditions do not (all of them together).</summary>
    public bool Invert { get; init; }

    public uint? Mark { get; init; }

    /// <summary>Only with <see cref="Mark"/>; the kernel takes all bits where it is absent.</summary>
    public uint? MarkMask { get; init; }

    public IPNetwork? From { get; init; }
    public IPNetwork? To { get; init; }
    public string? InputInterface { get; init; }
    public string? OutputInterface { get; init; }
    public byte? IpProtocol { get; init; }

    /// <summary>First and last port, both included. Needs <see cref="IpProtocol"/> to mean anything.</summary>
    public (ushort First, ushort Last)? SourcePorts { get; init; }

    public (ushort First, ushort Last)? DestinationPorts { get; init; }

    /// <summary>Ignore routes of the table whose prefix is this long or shorter: 0 ignores its default route.</summary>
    public int? SuppressPrefixLength { get; init; }

    /// <summary>RTPROT_*: who made it.</summary>
    public byte Protocol { get; init; } = Route.StaticProtocol;
}
