using PcpuIpsec.Netlink;

namespace PcpuIpsec.Ethtool;

internal sealed partial class EthtoolSocket
{
    /// <summary>ETHTOOL_FLAG_STATS: with counters.</summary>
    private const uint WithStatistics = 4;

    /// <summary>ETHTOOL_MSG_PAUSE_GET, with the counters where the driver has them.</summary>
    public Pause? Pause(string link) => Get(link, EthtoolMessage.PauseGet, "pause", static attributes =>
    {
        bool autoneg = false, rx = false, tx = false;
        ulong? rxFrames = null, txFrames = null;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case EthtoolAttribute.PauseAutoneg: autoneg = attribute.U8 != 0; break;
                case EthtoolAttribute.PauseRx: rx = attribute.U8 != 0; break;
                case EthtoolAttribute.PauseTx: tx = attribute.U8 != 0; break;
                case EthtoolAttribute.PauseStats:
                    foreach (NetlinkAttribute counter in attribute.Nested)
                    {
                        if (counter.Type == EthtoolAttribute.PauseStatRxFrames)
                            rxFrames = counter.U64;
                        else if (counter.Type == EthtoolAttribute.PauseStatTxFrames)
                            txFrames = counter.U64;
                    }
                    break;
            }
        }
        return new Pause(autoneg, rx, tx, rxFrames, txFrames);
    }, WithStatistics);

    /// <summary>ETHTOOL_MSG_PAUSE_SET; the counters are not looked at.</summary>
    /// <returns>What is there now.</returns>
    public Pause SetPause(string link, Pause wanted)
    {
        Pause now = Present(Pause(link), link, "pause");
        if (now.HasSettingsOf(wanted))
            return now;
        Set(link, EthtoolMessage.PauseSet, "pause", (ref NetlinkRequest request) =>
        {
            if (now.Autoneg != wanted.Autoneg)
                request.U8(EthtoolAttribute.PauseAutoneg, wanted.Autoneg ? (byte)1 : (byte)0);
            if (now.Rx != wanted.Rx)
                request.U8(EthtoolAttribute.PauseRx, wanted.Rx ? (byte)1 : (byte)0);
            if (now.Tx != wanted.Tx)
                request.U8(EthtoolAttribute.PauseTx, wanted.Tx ? (byte)1 : (byte)0);
        });
        return Present(Pause(link), link, "pause");
    }
}
