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
    public const byte FeaturesGet = 11, RingsGet = 15, ChannelsGet = 17;
}

/// <summary>ETHTOOL_A_* (linux/ethtool_netlink.h).</summary>
internal static class EthtoolAttribute
{
    /// <summary>ETHTOOL_A_FEATURES_HEADER, _RINGS_HEADER, _CHANNELS_HEADER: which interface.</summary>
    public const ushort Header = 1;

    public const ushort HeaderDevName = 2;

    public const ushort FeaturesHw = 2, FeaturesActive = 4;

    public const ushort BitsetNoMask = 1, BitsetBits = 3, BitsetBitsBit = 1, BitName = 2, BitValue = 3;

    public const ushort RingsRxMax = 2, RingsTxMax = 5, RingsRx = 6, RingsTx = 9;

    public const ushort ChannelsRxMax = 2, ChannelsTxMax = 3, ChannelsCombinedMax = 5, ChannelsRxCount = 6, ChannelsTxCount = 7, ChannelsCombinedCount = 9;
}
