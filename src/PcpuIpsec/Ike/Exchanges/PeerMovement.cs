using System.Net;

namespace PcpuIpsec.Ike.Exchanges;

/// <summary>A NAT gave the peer another address or port (RFC 7296 §2.23): the Child SAs go there with the IKE SA.</summary>
internal static class PeerMovement
{
    /// <summary>
    /// Sends every Child SA's packets to where the IKE SA's peer is now, in place where the data plane can: the same keys
    /// installed anew would begin their sequence numbers, and so their nonces, again. Where it cannot, the Child SA is rekeyed.
    /// </summary>
    public static async Step<bool> Follow(IkeSa sa)
    {
        IkeSession session = sa.Session;
        IPEndPoint to = sa.Remote;
        foreach (ChildSa child in session.Children.Where(c => c.Encapsulated && c.State != ChildSaState.Gone).ToArray())
        {
            IPEndPoint from = child.Remote!;
            if (from.Equals(to))
                continue;
            child.MoveTo(to);
            if (child.OutboundInstalled && !await TryUpdate(sa, SaDirection.Outbound, child.OutboundSpi, from, to) && child.OutboundInstalled)
            {
                child.Remote = from;
                IkeRuntime.Run(CreateChildSa.Rekey(session, child, null));
            }
            // What comes in is found by its SPI: where this fails, the data plane tells again that the peer is elsewhere, and no more.
            if (child.State != ChildSaState.Gone)
                await TryUpdate(sa, SaDirection.Inbound, child.InboundSpi, from, to);
            if (session.Closed)
                return false;
        }
        return true;
    }

    private static async Step<bool> TryUpdate(IkeSa sa, SaDirection direction, uint spi, IPEndPoint from, IPEndPoint to)
    {
        try
        {
            await sa.Runtime.Ask<SaUpdated>(sa.Session, id => new UpdateSaRemote(id, direction, spi, from, to));
            return true;
        }
        catch (ExchangeFailure failure)
        {
            if (failure.Error != PcpuIpsecError.Aborted)
                sa.Runtime.Notice(new IkeStep(sa.Connection.Name, $"{direction} SA {spi:x8} could not follow the peer from {from} to {to}: {failure.Message}"));
            return false;
        }
    }
}
