using PcpuIpsec.Netlink;

namespace PcpuIpsec.Ethtool;

internal sealed partial class EthtoolSocket
{
    /// <summary>ETHTOOL_MSG_CHANNELS_GET.</summary>
    public Channels? Channels(string link) => Get(link, EthtoolMessage.ChannelsGet, "channels", static attributes =>
    {
        int rx = 0, rxMax = 0, tx = 0, txMax = 0, other = 0, otherMax = 0, combined = 0, combinedMax = 0;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case EthtoolAttribute.ChannelsRxMax: rxMax = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsTxMax: txMax = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsOtherMax: otherMax = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsCombinedMax: combinedMax = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsRxCount: rx = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsTxCount: tx = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsOtherCount: other = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsCombinedCount: combined = (int)attribute.U32; break;
            }
        }
        return new Channels(rx, rxMax, tx, txMax, combined, combinedMax, other, otherMax);
    });

    /// <summary>ETHTOOL_MSG_CHANNELS_SET; the maxima are not settings and not looked at.</summary>
    /// <returns>What is there now.</returns>
    public Channels SetChannels(string link, Channels wanted)
    {
        Channels now = Present(Channels(link), link, "channels");
        if (now.HasCountsOf(wanted))
            return now;
        Set(link, EthtoolMessage.ChannelsSet, "channels", (ref NetlinkRequest request) =>
        {
            WriteWhereChanged(ref request, EthtoolAttribute.ChannelsRxCount, now.Rx, wanted.Rx);
            WriteWhereChanged(ref request, EthtoolAttribute.ChannelsTxCount, now.Tx, wanted.Tx);
            WriteWhereChanged(ref request, EthtoolAttribute.ChannelsOtherCount, now.Other, wanted.Other);
            WriteWhereChanged(ref request, EthtoolAttribute.ChannelsCombinedCount, now.Combined, wanted.Combined);
        });
        return Present(Channels(link), link, "channels");
    }

    /// <summary>ETHTOOL_MSG_RINGS_GET.</summary>
    public Rings? Rings(string link) => Get(link, EthtoolMessage.RingsGet, "rings", static attributes =>
    {
        int rx = 0, rxMax = 0, tx = 0, txMax = 0;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case EthtoolAttribute.RingsRxMax: rxMax = (int)attribute.U32; break;
                case EthtoolAttribute.RingsTxMax: txMax = (int)attribute.U32; break;
                case EthtoolAttribute.RingsRx: rx = (int)attribute.U32; break;
                case EthtoolAttribute.RingsTx: tx = (int)attribute.U32; break;
            }
        }
        return new Rings(rx, rxMax, tx, txMax);
    });

    /// <summary>ETHTOOL_MSG_RINGS_SET; the maxima are not settings and not looked at.</summary>
    /// <returns>What is there now.</returns>
    public Rings SetRings(string link, Rings wanted)
    {
        Rings now = Present(Rings(link), link, "rings");
        if ((now.Rx, now.Tx) == (wanted.Rx, wanted.Tx))
            return now;
        Set(link, EthtoolMessage.RingsSet, "rings", (ref NetlinkRequest request) =>
        {
            WriteWhereChanged(ref request, EthtoolAttribute.RingsRx, now.Rx, wanted.Rx);
            WriteWhereChanged(ref request, EthtoolAttribute.RingsTx, now.Tx, wanted.Tx);
        });
        return Present(Rings(link), link, "rings");
    }

    private static void WriteWhereChanged(ref NetlinkRequest request, ushort type, int now, int wanted)
    {
        if (wanted < 0)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"queues or descriptors = {wanted}: allowed are numbers from 0 up.");
        if (now != wanted)
            request.U32(type, (uint)wanted);
    }
}
