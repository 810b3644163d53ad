using System.Net;

namespace PcpuIpsec.Steering;

/// <summary>Chooses the UDP source port of a peer's ESP in UDP so that our NIC's hash puts the packets on the wanted queue.</summary>
internal static class SourcePortChooser
{
    /// <summary>Goes through the whole range once, from a random port on.</summary>
    /// <param name="rss">The receiver's interface, which must hash UDP's ports.</param>
    /// <param name="source">The sender's address as the receiver sees it.</param>
    /// <param name="destination">The receiver's.</param>
    /// <param name="destinationPort">Mostly 4500.</param>
    /// <param name="queue">Where the packets are to arrive.</param>
    /// <param name="ports">First and last.</param>
    /// <param name="isFree">Whether no other SA of that sender has the port.</param>
    /// <param name="random">Where to begin.</param>
    /// <returns>Null where no free port of the range leads there.</returns>
    public static ushort? TryChoose(RssPlacement rss, IPAddress source, IPAddress destination, ushort destinationPort, int queue, (ushort First, ushort Last) ports, Func<ushort, bool> isFree, Func<uint> random)
    {
        if (ports.First == 0 || ports.Last < ports.First)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"source ports = {ports.First}-{ports.Last}: allowed are ranges within 1 to 65535, the first no larger than the last.");
        if (rss.EntriesOf(queue) == 0)
            return null;
        uint count = (uint)(ports.Last - ports.First + 1), start = random() % count;
        for (uint i = 0; i < count; i++)
        {
            ushort port = (ushort)(ports.First + ((start + i) % count));
            if (rss.QueueOf(source, destination, port, destinationPort) == queue && isFree(port))
                return port;
        }
        return null;
    }
}
