using PcpuIpsec.Ethtool;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Ethtool;

/// <summary>ethtool's numbers and offsets, for the comparison with the kernel's headers.</summary>
internal static class EthtoolHeader
{
    public static void Compare(Action<string, long> number)
    {
        number("ETHTOOL_MSG_FEATURES_SET", EthtoolMessage.FeaturesSet);
        number("ETHTOOL_MSG_RINGS_SET", EthtoolMessage.RingsSet);
        number("ETHTOOL_MSG_CHANNELS_SET", EthtoolMessage.ChannelsSet);
        number("ETHTOOL_MSG_COALESCE_GET", EthtoolMessage.CoalesceGet);
        number("ETHTOOL_MSG_COALESCE_SET", EthtoolMessage.CoalesceSet);
        number("ETHTOOL_MSG_PAUSE_GET", EthtoolMessage.PauseGet);
        number("ETHTOOL_MSG_PAUSE_SET", EthtoolMessage.PauseSet);
        number("ETHTOOL_A_FEATURES_WANTED", EthtoolAttribute.FeaturesWanted);
        number("ETHTOOL_A_CHANNELS_OTHER_MAX", EthtoolAttribute.ChannelsOtherMax);
        number("ETHTOOL_A_CHANNELS_OTHER_COUNT", EthtoolAttribute.ChannelsOtherCount);
        number("ETHTOOL_A_PAUSE_AUTONEG", EthtoolAttribute.PauseAutoneg);
        number("ETHTOOL_A_PAUSE_RX", EthtoolAttribute.PauseRx);
        number("ETHTOOL_A_PAUSE_TX", EthtoolAttribute.PauseTx);
        number("ETHTOOL_A_PAUSE_STATS", EthtoolAttribute.PauseStats);
        number("ETHTOOL_A_PAUSE_STAT_TX_FRAMES", EthtoolAttribute.PauseStatTxFrames);
        number("ETHTOOL_A_PAUSE_STAT_RX_FRAMES", EthtoolAttribute.PauseStatRxFrames);
        foreach ((string theirs, string ours) in (ReadOnlySpan<(string, string)>)[("RX_USECS", "rx-usecs"), ("TX_MAX_FRAMES_IRQ", "tx-frames-irq"),
            ("USE_ADAPTIVE_RX", "adaptive-rx"), ("USE_ADAPTIVE_TX", "adaptive-tx"), ("PKT_RATE_LOW", "pkt-rate-low"), ("TX_MAX_FRAMES_HIGH", "tx-frame-high"),
            ("RATE_SAMPLE_INTERVAL", "sample-interval"), ("USE_CQE_MODE_TX", "cqe-mode-tx"), ("USE_CQE_MODE_RX", "cqe-mode-rx")])
            number($"ETHTOOL_A_COALESCE_{theirs}", CoalesceParameter.AttributeOf(ours));
        foreach ((string theirs, string ours) in (ReadOnlySpan<(string, string)>)[("rx_coalesce_usecs", "rx-usecs"), ("tx_max_coalesced_frames_irq", "tx-frames-irq"),
            ("use_adaptive_rx_coalesce", "adaptive-rx"), ("rx_max_coalesced_frames_low", "rx-frame-low"), ("pkt_rate_high", "pkt-rate-high"), ("rate_sample_interval", "sample-interval")])
            number($"offsetof(struct ethtool_coalesce, {theirs})", sizeof(uint) * CoalesceParameter.FieldOf(ours)!.Value);
        number("sizeof(struct ethtool_coalesce)", sizeof(uint) * (1 + CoalesceParameter.InStruct));
        number("offsetof(struct ethtool_per_queue_op, data)", 520);

        foreach ((string name, uint value) in (ReadOnlySpan<(string, uint)>)[("GDRVINFO", EthtoolCommand.GetDriver), ("GSTRINGS", EthtoolCommand.GetStrings), ("GSTATS", EthtoolCommand.GetStatistics),
            ("GPERMADDR", EthtoolCommand.GetPermanentAddress), ("GRXFH", EthtoolCommand.GetHashFields), ("SRXFH", EthtoolCommand.SetHashFields), ("GRXRINGS", EthtoolCommand.GetRxRings),
            ("GRXCLSRLCNT", EthtoolCommand.GetRuleCount), ("GRXCLSRULE", EthtoolCommand.GetRule), ("GRXCLSRLALL", EthtoolCommand.GetAllRules), ("SRXCLSRLDEL", EthtoolCommand.DeleteRule),
            ("SRXCLSRLINS", EthtoolCommand.InsertRule), ("GSSET_INFO", EthtoolCommand.GetStringSetInfo), ("GRSSH", EthtoolCommand.GetRss), ("SRSSH", EthtoolCommand.SetRss),
            ("PERQUEUE", EthtoolCommand.PerQueue), ("GCOALESCE", EthtoolCommand.GetCoalesce), ("SCOALESCE", EthtoolCommand.SetCoalesce)])
            number($"ETHTOOL_{name}", value);
        number("SIOCETHTOOL", (long)Libc.SIOCETHTOOL);
        number("IFNAMSIZ", Libc.InterfaceNameSize);
        number("ENOSPC", Libc.ENOSPC);

        number("sizeof(struct ethtool_drvinfo)", 196);
        number("sizeof(struct ethtool_rxnfc)", 192);
        number("offsetof(struct ethtool_rxnfc, fs)", 16);
        number("offsetof(struct ethtool_rxnfc, rule_cnt)", 184);
        number("offsetof(struct ethtool_rxnfc, rule_locs)", 188);
        number("sizeof(struct ethtool_rx_flow_spec)", FlowRule.Size);
        number("offsetof(struct ethtool_rx_flow_spec, h_u)", FlowRule.FieldsAt);
        number("offsetof(struct ethtool_rx_flow_spec, m_u)", FlowRule.MasksAt);
        number("offsetof(struct ethtool_rx_flow_spec, ring_cookie)", FlowRule.QueueAt);
        number("offsetof(struct ethtool_rx_flow_spec, location)", FlowRule.LocationAt);
        number("sizeof(struct ethtool_rxfh)", 24);
        number("offsetof(struct ethtool_rxfh, hfunc)", 16);
        number("RX_CLS_LOC_ANY", FlowRule.AnyLocation);
        number("RX_CLS_LOC_SPECIAL", FlowRule.SpecialLocation);
        foreach ((string name, FlowType type) in (ReadOnlySpan<(string, FlowType)>)[("TCP_V4_FLOW", FlowType.Tcp4), ("UDP_V4_FLOW", FlowType.Udp4), ("TCP_V6_FLOW", FlowType.Tcp6), ("UDP_V6_FLOW", FlowType.Udp6),
            ("AH_ESP_V4_FLOW", FlowType.AhEsp4), ("AH_ESP_V6_FLOW", FlowType.AhEsp6), ("AH_V4_FLOW", FlowType.Ah4), ("ESP_V4_FLOW", FlowType.Esp4), ("AH_V6_FLOW", FlowType.Ah6), ("ESP_V6_FLOW", FlowType.Esp6),
            ("SCTP_V4_FLOW", FlowType.Sctp4), ("SCTP_V6_FLOW", FlowType.Sctp6), ("IPV4_USER_FLOW", FlowType.User4), ("IPV6_USER_FLOW", FlowType.User6), ("IPV4_FLOW", FlowType.Ip4), ("IPV6_FLOW", FlowType.Ip6),
            ("ETHER_FLOW", FlowType.Ethernet)])
            number(name, (long)type);
        foreach ((string name, HashFields field) in (ReadOnlySpan<(string, HashFields)>)[("L2DA", HashFields.DestinationMac), ("VLAN", HashFields.Vlan), ("L3_PROTO", HashFields.Protocol),
            ("IP_SRC", HashFields.SourceAddress), ("IP_DST", HashFields.DestinationAddress), ("L4_B_0_1", HashFields.Bytes0To1), ("L4_B_2_3", HashFields.Bytes2To3)])
            number($"RXH_{name}", (long)field);
    }
}
