namespace PcpuIpsec.Netlink;

// Each mirrors the C struct named above it; sizes and offsets are compared with a C compiler's in the tests.

/// <summary>struct ifinfomsg (linux/rtnetlink.h).</summary>
internal struct InterfaceInfoMessage
{
    public byte Family;
    public byte Pad;
    public ushort Type;
    public int Index;
    public uint Flags;
    public uint Change;
}

/// <summary>struct ifaddrmsg (linux/if_addr.h).</summary>
internal struct InterfaceAddressMessage
{
    public byte Family;
    public byte PrefixLength;
    public byte Flags;
    public byte Scope;
    public uint Index;
}

/// <summary>struct rtmsg (linux/rtnetlink.h).</summary>
internal struct RouteMessage
{
    public byte Family;
    public byte DestinationLength;
    public byte SourceLength;
    public byte TypeOfService;
    public byte Table;
    public byte Protocol;
    public byte Scope;
    public byte Type;
    public uint Flags;
}

/// <summary>struct fib_rule_hdr (linux/fib_rules.h).</summary>
internal struct RuleMessage
{
    public byte Family;
    public byte DestinationLength;
    public byte SourceLength;
    public byte TypeOfService;
    public byte Table;
    public byte Reserved1;
    public byte Reserved2;
    public byte Action;
    public uint Flags;
}

/// <summary>struct fib_rule_port_range (linux/fib_rules.h).</summary>
internal struct RulePortRange
{
    public ushort Start;
    public ushort End;
}

/// <summary>Message types of rtnetlink (linux/rtnetlink.h).</summary>
internal static class RouteMessageType
{
    public const ushort NewLink = 16, DelLink = 17, GetLink = 18;
    public const ushort NewAddress = 20, DelAddress = 21, GetAddress = 22;
    public const ushort NewRoute = 24, DelRoute = 25, GetRoute = 26;
    public const ushort NewRule = 32, DelRule = 33, GetRule = 34;
}

/// <summary>IFLA_* (linux/if_link.h).</summary>
internal static class LinkAttribute
{
    public const ushort Address = 1, Name = 3, Mtu = 4, Link = 5, Master = 10, LinkInfo = 18, Group = 27, NetNsFd = 28,
        NumTxQueues = 31, NumRxQueues = 32, LinkNetNsId = 37, Xdp = 43, InfoKind = 1, InfoData = 2, VethInfoPeer = 1,
        XfrmLink = 1, XfrmIfId = 2;
}

/// <summary>IFA_* (linux/if_addr.h).</summary>
internal static class AddressAttribute
{
    public const ushort Address = 1, Local = 2, Flags = 8;
    public const uint NoDad = 0x02, Tentative = 0x40, Permanent = 0x80;
}

/// <summary>RTA_* (linux/rtnetlink.h).</summary>
internal static class RouteAttribute
{
    public const ushort Destination = 1, OutputInterface = 4, Gateway = 5, Priority = 6, PreferredSource = 7, Metrics = 8,
        Multipath = 9, Table = 15, Mark = 16, Via = 18, Encapsulation = 22, NextHopId = 30, MetricMtu = 2, MetricAdvMss = 8;
}

/// <summary>FRA_* (linux/fib_rules.h).</summary>
internal static class RuleAttribute
{
    public const ushort Destination = 1, Source = 2, InputInterface = 3, Goto = 4, Priority = 6, Mark = 10, SuppressPrefixLength = 14,
        Table = 15, Mask = 16, OutputInterface = 17, Protocol = 21, IpProtocol = 22, SourcePorts = 23, DestinationPorts = 24;
    public const uint Invert = 2;
}
