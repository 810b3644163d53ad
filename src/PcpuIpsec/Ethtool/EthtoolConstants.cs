namespace PcpuIpsec.Ethtool;

/// <summary>struct genlmsghdr (linux/genetlink.h): what a generic netlink message begins with.</summary>
internal struct GenericMessage
{
    public const int Size = 4;

    public byte Command;
    public byte Version;
    public ushort Reserved;
}

/// <summary>The family that tells the numbers of the others (linux/genetlink.h).</summary>
internal static class GenericControl
{
    /// <summary>GENL_ID_CTRL.</summary>
    public const ushort Family = 0x10;

    public const byte Version = 1;
    public const byte GetFamily = 3;
    public const ushort FamilyId = 1, FamilyName = 2;
}

/// <summary>ETHTOOL_MSG_* (linux/ethtool_netlink.h): requests.</summary>
internal static class EthtoolMessage
{
    public const byte FeaturesGet = 11, FeaturesSet = 12, RingsGet = 15, RingsSet = 16, ChannelsGet = 17, ChannelsSet = 18,
        CoalesceGet = 19, CoalesceSet = 20, PauseGet = 21, PauseSet = 22;

    /// <summary>Since 6.2; as a dump, which tells the contexts, since 6.12.</summary>
    public const byte RssGet = 38;
}

/// <summary>ETHTOOL_A_* (linux/ethtool_netlink.h).</summary>
internal static class EthtoolAttribute
{
    /// <summary>ETHTOOL_A_FEATURES_HEADER, _RINGS_HEADER and so on: which interface.</summary>
    public const ushort Header = 1;

    public const ushort HeaderDevName = 2, HeaderFlags = 3;

    public const ushort FeaturesHw = 2, FeaturesWanted = 3, FeaturesActive = 4;

    public const ushort BitsetNoMask = 1, BitsetBits = 3, BitsetBitsBit = 1, BitName = 2, BitValue = 3;

    public const ushort RingsRxMax = 2, RingsTxMax = 5, RingsRx = 6, RingsTx = 9;

    public const ushort ChannelsRxMax = 2, ChannelsTxMax = 3, ChannelsOtherMax = 4, ChannelsCombinedMax = 5,
        ChannelsRxCount = 6, ChannelsTxCount = 7, ChannelsOtherCount = 8, ChannelsCombinedCount = 9;

    public const ushort PauseAutoneg = 2, PauseRx = 3, PauseTx = 4, PauseStats = 5, PauseStatTxFrames = 2, PauseStatRxFrames = 3;

    public const ushort RssContext = 2, RssStartContext = 7;
}

/// <summary>ETHTOOL_* (linux/ethtool.h): commands of the ioctl.</summary>
internal static class EthtoolCommand
{
    public const uint GetDriver = 0x03, GetStrings = 0x1b, GetStatistics = 0x1d, GetPermanentAddress = 0x20,
        GetHashFields = 0x29, SetHashFields = 0x2a, GetRxRings = 0x2d,
        GetRuleCount = 0x2e, GetRule = 0x2f, GetAllRules = 0x30, DeleteRule = 0x31, InsertRule = 0x32,
        GetStringSetInfo = 0x37, GetRss = 0x46, SetRss = 0x47, PerQueue = 0x4b, GetCoalesce = 0x0e, SetCoalesce = 0x0f;
}
