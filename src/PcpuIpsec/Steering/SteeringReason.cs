namespace PcpuIpsec.Steering;

/// <summary>Why a packet was left to the CPU that it came in on; the numbers are the counters' in the program's map.</summary>
internal enum SteeringReason
{
    /// <summary>Neither IPv4 nor IPv6: ARP, or more than two VLAN tags.</summary>
    NotIp = 0,

    /// <summary>A header ends before it should, or is none.</summary>
    Malformed = 1,

    /// <summary>
    /// Part of a datagram, the first one too: only the first part has an SPI or ports, and parts that arrive on several CPUs are put
    /// together on whichever comes last. So all of them stay where they are, and the whole is processed there.
    /// </summary>
    Fragment = 2,

    /// <summary>More IPv6 extension headers than are looked through.</summary>
    Extensions = 3,

    /// <summary>IKE on port 500 or behind the non-ESP marker, or a NAT keepalive.</summary>
    Ike = 4,

    /// <summary>Neither ESP, UDP nor TCP.</summary>
    Protocol = 5,

    /// <summary>There is no entry for it.</summary>
    NoEntry = 6,

    /// <summary>An entry names a CPU that is not set up, as it happens for a moment while one is taken away.</summary>
    NoCpu = 7,
}
