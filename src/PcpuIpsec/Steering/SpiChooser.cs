using System.Net;

namespace PcpuIpsec.Steering;

/// <summary>Chooses the SPI of an inbound Child SA so that the NIC's own hash puts its packets on the wanted queue.</summary>
internal static class SpiChooser
{
    /// <summary>0 never goes on the wire, and 1 to 255 are IANA's (RFC 4303 §2.1).</summary>
    public const uint Smallest = 256;

    // With tries in this proportion one fails in e^32 times, if all SPIs are free.
    private const int TriesPerExpected = 32;

    /// <summary>Tries SPIs at random.</summary>
    /// <param name="rss">The interface, which must hash ESP's SPI.</param>
    /// <param name="source">The far end, which the packets come from.</param>
    /// <param name="destination">Our address.</param>
    /// <param name="queue">Where they are to arrive.</param>
    /// <param name="isFree">Whether no other inbound SA has that SPI.</param>
    /// <param name="random">32 bits that nobody can foresee.</param>
    /// <returns>Null where no SPI was found: the queue is not in the table, or nearly none is free.</returns>
    public static uint? TryChoose(RssPlacement rss, IPAddress source, IPAddress destination, int queue, Func<uint, bool> isFree, Func<uint> random)
    {
        int entries = rss.EntriesOf(queue);
        int tries = entries == 0 ? 0 : TriesPerExpected * ((rss.TableSize + entries - 1) / entries);
        for (int i = 0; i < tries; i++)
        {
            uint spi = random();
            if (spi >= Smallest && rss.QueueOf(source, destination, spi) == queue && isFree(spi))
                return spi;
        }
        return null;
    }
}
