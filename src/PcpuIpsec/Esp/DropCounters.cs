using PcpuIpsec.Esp.Packets;

namespace PcpuIpsec.Esp;

/// <summary>Drops that are the I/O's, besides the <see cref="EspVerdict"/>s.</summary>
internal enum PlaneDrop
{
    /// <summary>In the TUN and covered by no policy: multicast of the interface's own, or a route of somebody else's.</summary>
    EspOutNoPolicy,

    /// <summary>Too long for the path and told so to its sender.</summary>
    EspOutTooBigTold,

    /// <summary>A fragment in transport mode whose datagram was never completed.</summary>
    EspOutFragmentLost,

    /// <summary>The socket took nothing more for 10 ms.</summary>
    EspOutSocketFull,

    /// <summary>The kernel refused the outer packet: no route, a firewall.</summary>
    EspOutSocketError,

    /// <summary>On another worker's socket: sent before the group of sockets was complete.</summary>
    EspInWrongWorker,

    /// <summary>The TUN did not take the inner packet.</summary>
    EspInTunError,
}

/// <summary>One array of counters a worker: verdicts first, then the plane's own.</summary>
internal static class DropCounters
{
    private static readonly int _planeDrops = Enum.GetValues<PlaneDrop>().Length;

    public static readonly int Count = EspVerdicts.Count + _planeDrops;

    public static int IndexOf(PlaneDrop drop) => EspVerdicts.Count + (int)drop;

    /// <summary>The kernel's name where it has one for the thing.</summary>
    public static string Name(int index) => index < EspVerdicts.Count ? EspVerdicts.Counter((EspVerdict)index) : ((PlaneDrop)(index - EspVerdicts.Count)).ToString();
}
