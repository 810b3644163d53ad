namespace PcpuIpsec.Ethtool;

/// <summary>Kinds of packets that a NIC tells apart: TCP_V4_FLOW and so on (linux/ethtool.h).</summary>
internal enum FlowType : uint
{
    Tcp4 = 0x01,
    Udp4 = 0x02,
    Sctp4 = 0x03,

    /// <summary>AH and ESP together, for hashing alone; newer drivers have each by itself.</summary>
    AhEsp4 = 0x04,
    Tcp6 = 0x05,
    Udp6 = 0x06,
    Sctp6 = 0x07,
    AhEsp6 = 0x08,
    Ah4 = 0x09,
    Esp4 = 0x0a,
    Ah6 = 0x0b,
    Esp6 = 0x0c,

    /// <summary>For rules alone: by addresses and the protocol's number.</summary>
    User4 = 0x0d,
    User6 = 0x0e,

    /// <summary>For hashing alone: whatever else IP carries.</summary>
    Ip4 = 0x10,
    Ip6 = 0x11,

    /// <summary>For rules alone.</summary>
    Ethernet = 0x12,
}

/// <summary>RXH_*: what of a packet goes into its hash.</summary>
[Flags]
internal enum HashFields : ulong
{
    None = 0,
    DestinationMac = 1 << 1,
    Vlan = 1 << 2,
    Protocol = 1 << 3,
    SourceAddress = 1 << 4,
    DestinationAddress = 1 << 5,

    /// <summary>The first two bytes after the IP header: a source port, or the upper half of ESP's SPI.</summary>
    Bytes0To1 = 1 << 6,

    /// <summary>The next two: a destination port, or the lower half of ESP's SPI.</summary>
    Bytes2To3 = 1 << 7,

    /// <summary>Such packets are dropped.</summary>
    Discard = 1UL << 31,
}
