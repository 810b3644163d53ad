namespace PcpuIpsec.Netlink;

/// <summary>NLM_F_* (linux/netlink.h). The upper byte means one thing in GET and another in NEW requests.</summary>
[Flags]
internal enum NetlinkFlags : ushort
{
    None = 0,
    Request = 0x1,
    Multi = 0x2,
    Ack = 0x4,
    Echo = 0x8,
    DumpInterrupted = 0x10,
    DumpFiltered = 0x20,

    Root = 0x100,
    Match = 0x200,
    Dump = Root | Match,

    Replace = 0x100,
    Exclusive = 0x200,
    Create = 0x400,
    Append = 0x800,

    /// <summary>On an answer: the request's payload is left out of it.</summary>
    Capped = 0x100,

    /// <summary>On an answer: extended-ack attributes follow.</summary>
    AckAttributes = 0x200,
}

/// <summary>Netlink's own message types, below those of any family.</summary>
internal static class NetlinkMessageType
{
    public const ushort Noop = 1;
    public const ushort Error = 2;
    public const ushort Done = 3;
    public const ushort Overrun = 4;
}

/// <summary>The protocols that are spoken on AF_NETLINK here.</summary>
internal static class NetlinkProtocol
{
    public const int Route = 0;
    public const int Xfrm = 6;
    public const int Generic = 16;
}

/// <summary>struct nlmsghdr: 16 bytes, host byte order.</summary>
internal struct NetlinkHeader
{
    public const int Size = 16;

    public uint Length;
    public ushort Type;
    public NetlinkFlags Flags;
    public uint Sequence;
    public uint PortId;
}
