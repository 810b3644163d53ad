using System.Reflection;
using System.Runtime.InteropServices;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Ethtool;

namespace PcpuIpsec.Tests.Netlink;

/// <summary>Sizes, offsets and numbers, compared with what a C compiler makes of the kernel's headers.</summary>
public class KernelHeaderTests
{
    private static readonly string[] _includes =
    [
        "errno.h", "sched.h", "sys/mount.h", "sys/socket.h", "sys/time.h",
        "linux/netlink.h", "linux/rtnetlink.h", "linux/if_link.h", "linux/fib_rules.h", "linux/veth.h",
        "linux/genetlink.h", "linux/if.h", "linux/ethtool.h", "linux/ethtool_netlink.h", "linux/sockios.h",
    ];

    [CompilerFact]
    public void Structs_and_numbers_are_those_of_the_kernels_headers()
    {
        var ours = new SortedDictionary<string, long>(StringComparer.Ordinal);
        Struct<NetlinkHeader>("struct nlmsghdr", "nlmsg_len nlmsg_type nlmsg_flags nlmsg_seq nlmsg_pid");
        Struct<InterfaceInfoMessage>("struct ifinfomsg", "ifi_family __ifi_pad ifi_type ifi_index ifi_flags ifi_change");
        Struct<InterfaceAddressMessage>("struct ifaddrmsg", "ifa_family ifa_prefixlen ifa_flags ifa_scope ifa_index");
        Struct<RouteMessage>("struct rtmsg", "rtm_family rtm_dst_len rtm_src_len rtm_tos rtm_table rtm_protocol rtm_scope rtm_type rtm_flags");
        Struct<RuleMessage>("struct fib_rule_hdr", "family dst_len src_len tos table res1 res2 action flags");
        Struct<RulePortRange>("struct fib_rule_port_range", "start end");
        Struct<Libc.SockAddrNetlink>("struct sockaddr_nl", "nl_family nl_pad nl_pid nl_groups");
        Struct<Libc.TimeValue>("struct timeval", "tv_sec tv_usec");

        Struct<GenericMessage>("struct genlmsghdr", "cmd version reserved");
        Number("GENL_ID_CTRL", GenericControl.Family);
        Number("CTRL_CMD_GETFAMILY", GenericControl.GetFamily);
        Number("CTRL_ATTR_FAMILY_ID", GenericControl.FamilyId);
        Number("CTRL_ATTR_FAMILY_NAME", GenericControl.FamilyName);
        Number("ETHTOOL_MSG_FEATURES_GET", EthtoolMessage.FeaturesGet);
        Number("ETHTOOL_MSG_RINGS_GET", EthtoolMessage.RingsGet);
        Number("ETHTOOL_MSG_CHANNELS_GET", EthtoolMessage.ChannelsGet);
        Number("ETHTOOL_A_HEADER_DEV_NAME", EthtoolAttribute.HeaderDevName);
        Number("ETHTOOL_A_HEADER_FLAGS", EthtoolAttribute.HeaderFlags);
        foreach (string what in (string[])["FEATURES", "RINGS", "CHANNELS", "COALESCE", "PAUSE"])
            Number($"ETHTOOL_A_{what}_HEADER", EthtoolAttribute.Header);
        Number("ETHTOOL_A_FEATURES_HW", EthtoolAttribute.FeaturesHw);
        Number("ETHTOOL_A_FEATURES_ACTIVE", EthtoolAttribute.FeaturesActive);
        Number("ETHTOOL_A_BITSET_NOMASK", EthtoolAttribute.BitsetNoMask);
        Number("ETHTOOL_A_BITSET_BITS", EthtoolAttribute.BitsetBits);
        Number("ETHTOOL_A_BITSET_BITS_BIT", EthtoolAttribute.BitsetBitsBit);
        Number("ETHTOOL_A_BITSET_BIT_NAME", EthtoolAttribute.BitName);
        Number("ETHTOOL_A_BITSET_BIT_VALUE", EthtoolAttribute.BitValue);
        Number("ETHTOOL_A_RINGS_RX_MAX", EthtoolAttribute.RingsRxMax);
        Number("ETHTOOL_A_RINGS_TX_MAX", EthtoolAttribute.RingsTxMax);
        Number("ETHTOOL_A_RINGS_RX", EthtoolAttribute.RingsRx);
        Number("ETHTOOL_A_RINGS_TX", EthtoolAttribute.RingsTx);
        Number("ETHTOOL_A_CHANNELS_RX_MAX", EthtoolAttribute.ChannelsRxMax);
        Number("ETHTOOL_A_CHANNELS_TX_MAX", EthtoolAttribute.ChannelsTxMax);
        Number("ETHTOOL_A_CHANNELS_COMBINED_MAX", EthtoolAttribute.ChannelsCombinedMax);
        Number("ETHTOOL_A_CHANNELS_RX_COUNT", EthtoolAttribute.ChannelsRxCount);
        Number("ETHTOOL_A_CHANNELS_TX_COUNT", EthtoolAttribute.ChannelsTxCount);
        Number("ETHTOOL_A_CHANNELS_COMBINED_COUNT", EthtoolAttribute.ChannelsCombinedCount);
        EthtoolHeader.Compare(Number);
        Number("NLM_F_REQUEST", (long)NetlinkFlags.Request);
        Number("NLM_F_ACK", (long)NetlinkFlags.Ack);
        Number("NLM_F_DUMP_INTR", (long)NetlinkFlags.DumpInterrupted);
        Number("NLM_F_DUMP", (long)NetlinkFlags.Dump);
        Number("NLM_F_REPLACE", (long)NetlinkFlags.Replace);
        Number("NLM_F_EXCL", (long)NetlinkFlags.Exclusive);
        Number("NLM_F_CREATE", (long)NetlinkFlags.Create);
        Number("NLM_F_CAPPED", (long)NetlinkFlags.Capped);
        Number("NLM_F_ACK_TLVS", (long)NetlinkFlags.AckAttributes);
        Number("NLMSG_ERROR", NetlinkMessageType.Error);
        Number("NLMSG_DONE", NetlinkMessageType.Done);
        Number("NLMSG_OVERRUN", NetlinkMessageType.Overrun);
        Number("NLMSGERR_ATTR_MSG", 1);
        Number("NLMSGERR_ATTR_OFFS", 2);
        Number("NETLINK_XFRM", NetlinkProtocol.Xfrm);
        Number("NETLINK_GENERIC", NetlinkProtocol.Generic);
        Number("NETLINK_EXT_ACK", Libc.NETLINK_EXT_ACK);
        Number("NETLINK_CAP_ACK", Libc.NETLINK_CAP_ACK);
        Number("NETLINK_ADD_MEMBERSHIP", Libc.NETLINK_ADD_MEMBERSHIP);
        Number("SOL_NETLINK", Libc.SOL_NETLINK);
        Number("SO_RCVBUF", Libc.SO_RCVBUF);
        Number("SO_RCVTIMEO", Libc.SO_RCVTIMEO);
        Number("RTM_NEWLINK", RouteMessageType.NewLink);
        Number("RTM_DELLINK", RouteMessageType.DelLink);
        Number("RTM_GETLINK", RouteMessageType.GetLink);
        Number("RTM_NEWADDR", RouteMessageType.NewAddress);
        Number("RTM_DELADDR", RouteMessageType.DelAddress);
        Number("RTM_GETADDR", RouteMessageType.GetAddress);
        Number("RTM_NEWROUTE", RouteMessageType.NewRoute);
        Number("RTM_DELROUTE", RouteMessageType.DelRoute);
        Number("RTM_GETROUTE", RouteMessageType.GetRoute);
        Number("RTM_NEWRULE", RouteMessageType.NewRule);
        Number("RTM_DELRULE", RouteMessageType.DelRule);
        Number("RTM_GETRULE", RouteMessageType.GetRule);
        Number("IFLA_LINK", LinkAttribute.Link);
        Number("IFLA_NET_NS_FD", LinkAttribute.NetNsFd);
        Number("IFLA_NUM_TX_QUEUES", LinkAttribute.NumTxQueues);
        Number("IFLA_NUM_RX_QUEUES", LinkAttribute.NumRxQueues);
        Number("IFLA_LINKINFO", LinkAttribute.LinkInfo);
        Number("IFLA_INFO_KIND", LinkAttribute.InfoKind);
        Number("IFLA_INFO_DATA", LinkAttribute.InfoData);
        Number("VETH_INFO_PEER", LinkAttribute.VethInfoPeer);
        Number("IFLA_XFRM_LINK", LinkAttribute.XfrmLink);
        Number("IFLA_XFRM_IF_ID", LinkAttribute.XfrmIfId);
        Number("RTAX_ADVMSS", RouteAttribute.MetricAdvMss);
        Number("ECANCELED", Libc.ECANCELED);
        Number("ENOSYS", Libc.ENOSYS);
        Number("EPROTONOSUPPORT", Libc.EPROTONOSUPPORT);
        Number("IFA_LOCAL", AddressAttribute.Local);
        Number("IFA_FLAGS", AddressAttribute.Flags);
        Number("IFA_F_NODAD", AddressAttribute.NoDad);
        Number("IFA_F_TENTATIVE", AddressAttribute.Tentative);
        Number("RTA_DST", RouteAttribute.Destination);
        Number("RTA_OIF", RouteAttribute.OutputInterface);
        Number("RTA_GATEWAY", RouteAttribute.Gateway);
        Number("RTA_PRIORITY", RouteAttribute.Priority);
        Number("RTA_PREFSRC", RouteAttribute.PreferredSource);
        Number("RTA_METRICS", RouteAttribute.Metrics);
        Number("RTA_TABLE", RouteAttribute.Table);
        Number("RTAX_MTU", RouteAttribute.MetricMtu);
        Number("RTN_BLACKHOLE", (long)RouteType.Blackhole);
        Number("RTN_UNREACHABLE", (long)RouteType.Unreachable);
        Number("FRA_DST", RuleAttribute.Destination);
        Number("FRA_SRC", RuleAttribute.Source);
        Number("FRA_IIFNAME", RuleAttribute.InputInterface);
        Number("FRA_OIFNAME", RuleAttribute.OutputInterface);
        Number("FRA_GOTO", RuleAttribute.Goto);
        Number("FRA_PRIORITY", RuleAttribute.Priority);
        Number("FRA_FWMARK", RuleAttribute.Mark);
        Number("FRA_FWMASK", RuleAttribute.Mask);
        Number("FRA_TABLE", RuleAttribute.Table);
        Number("FRA_SUPPRESS_PREFIXLEN", RuleAttribute.SuppressPrefixLength);
        Number("FRA_PROTOCOL", RuleAttribute.Protocol);
        Number("FRA_IP_PROTO", RuleAttribute.IpProtocol);
        Number("FRA_SPORT_RANGE", RuleAttribute.SourcePorts);
        Number("FRA_DPORT_RANGE", RuleAttribute.DestinationPorts);
        Number("FIB_RULE_INVERT", RuleAttribute.Invert);
        Number("FR_ACT_GOTO", (long)RuleAction.Goto);
        Number("FR_ACT_NOP", (long)RuleAction.Nop);
        Number("FR_ACT_UNREACHABLE", (long)RuleAction.Unreachable);
        Number("FR_ACT_BLACKHOLE", (long)RuleAction.Blackhole);
        Number("CLONE_NEWNET", Libc.CLONE_NEWNET);
        Number("MS_BIND", (long)Libc.MS_BIND);
        Number("MS_REC", (long)Libc.MS_REC);
        Number("MS_SHARED", (long)Libc.MS_SHARED);
        Number("MNT_DETACH", Libc.MNT_DETACH);
        Number("ENOBUFS", Libc.ENOBUFS);
        Number("EOPNOTSUPP", Libc.EOPNOTSUPP);
        Number("EMSGSIZE", Libc.EMSGSIZE);
        Number("EADDRNOTAVAIL", Libc.EADDRNOTAVAIL);

        Assert.Equal(ours, KernelHeaders.Ask(_includes, ours.Keys));

        void Number(string expression, long value) => ours.Add(expression, value);

        void Struct<T>(string name, string fields) where T : unmanaged
        {
            Number($"sizeof({name})", Marshal.SizeOf<T>());
            string[] theirs = fields.Split(' ');
            var own = typeof(T).GetFields(BindingFlags.Instance | BindingFlags.Public).OrderBy(f => (long)Marshal.OffsetOf<T>(f.Name)).ToArray();
            Assert.Equal(theirs.Length, own.Length);
            for (int i = 0; i < own.Length; i++)
                Number($"offsetof({name}, {theirs[i]})", Marshal.OffsetOf<T>(own[i].Name));
        }
    }
}
