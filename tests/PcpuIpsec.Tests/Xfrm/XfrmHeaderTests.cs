using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PcpuIpsec.Tests.Netlink;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>linux/xfrm.h: sizes, offsets and numbers as a C compiler has them. What hosts' headers may lack is not asked for.</summary>
public class XfrmHeaderTests
{
    private readonly SortedDictionary<string, long> _ours = new(StringComparer.Ordinal);

    [CompilerFact]
    public void Structs_mirror_their_C_declarations()
    {
        Struct<XfrmAddress>("xfrm_address_t", "");
        Struct<XfrmId>("struct xfrm_id", "daddr spi proto");
        Struct<XfrmSelectorStruct>("struct xfrm_selector", "daddr saddr dport dport_mask sport sport_mask family prefixlen_d prefixlen_s proto ifindex user");
        Struct<XfrmLifetimeConfig>("struct xfrm_lifetime_cfg", "soft_byte_limit hard_byte_limit soft_packet_limit hard_packet_limit soft_add_expires_seconds hard_add_expires_seconds soft_use_expires_seconds hard_use_expires_seconds");
        Struct<XfrmLifetimeCurrent>("struct xfrm_lifetime_cur", "bytes packets add_time use_time");
        Struct<XfrmReplayState>("struct xfrm_replay_state", "oseq seq bitmap");
        Struct<XfrmReplayStateEsn>("struct xfrm_replay_state_esn", "bmp_len oseq seq oseq_hi seq_hi replay_window");
        Struct<XfrmAlgo>("struct xfrm_algo", "alg_name alg_key_len");
        Struct<XfrmAlgoAuth>("struct xfrm_algo_auth", "alg_name alg_key_len alg_trunc_len");
        Struct<XfrmAlgoAead>("struct xfrm_algo_aead", "alg_name alg_key_len alg_icv_len");
        Struct<XfrmStats>("struct xfrm_stats", "replay_window replay integrity_failed");
        Struct<XfrmMarkStruct>("struct xfrm_mark", "v m");
        Struct<XfrmUserSaInfo>("struct xfrm_usersa_info", "sel id saddr lft curlft stats seq reqid family mode replay_window flags");
        Struct<XfrmUserSaId>("struct xfrm_usersa_id", "daddr spi family proto");
        Struct<XfrmAeventId>("struct xfrm_aevent_id", "sa_id saddr flags reqid");
        Struct<XfrmUserSpiInfo>("struct xfrm_userspi_info", "info min max");
        Struct<XfrmEncapTemplate>("struct xfrm_encap_tmpl", "encap_type encap_sport encap_dport encap_oa");
        Struct<XfrmUserOffload>("struct xfrm_user_offload", "ifindex flags");
        Struct<XfrmUserSaFlush>("struct xfrm_usersa_flush", "proto");
        Struct<XfrmUserExpire>("struct xfrm_user_expire", "state hard");
        Struct<XfrmUserMapping>("struct xfrm_user_mapping", "id reqid old_saddr new_saddr old_sport new_sport");
        Struct<XfrmUserTemplate>("struct xfrm_user_tmpl", "id family saddr reqid mode share optional aalgos ealgos calgos");
        Struct<XfrmUserPolicyInfo>("struct xfrm_userpolicy_info", "sel lft curlft priority index dir action flags share");
        Struct<XfrmUserPolicyId>("struct xfrm_userpolicy_id", "sel index dir");
        Struct<XfrmUserAcquire>("struct xfrm_user_acquire", "id saddr sel policy aalgos ealgos calgos seq");
        Struct<XfrmUserPolicyExpire>("struct xfrm_user_polexpire", "pol hard");
        Struct<XfrmUserReport>("struct xfrm_user_report", "proto sel");
        Struct<XfrmUserMigrate>("struct xfrm_user_migrate", "old_daddr old_saddr new_daddr new_saddr proto mode reserved reqid old_family new_family");
        Struct<XfrmSadHashInfo>("struct xfrmu_sadhinfo", "sadhcnt sadhmcnt");
        Struct<XfrmSpdCounts>("struct xfrmu_spdinfo", "incnt outcnt fwdcnt inscnt outscnt fwdscnt");
        Struct<XfrmSpdHashInfo>("struct xfrmu_spdhinfo", "spdhcnt spdhmcnt");
        Struct<XfrmSpdHashThreshold>("struct xfrmu_spdhthresh", "lbits rbits");

        Check();
    }

    [CompilerFact]
    public void Numbers_are_those_of_the_header()
    {
        Numbers("XFRM_MSG_", ("NEWSA", XfrmMessageType.NewSa), ("DELSA", XfrmMessageType.DelSa), ("GETSA", XfrmMessageType.GetSa),
            ("NEWPOLICY", XfrmMessageType.NewPolicy), ("DELPOLICY", XfrmMessageType.DelPolicy), ("GETPOLICY", XfrmMessageType.GetPolicy),
            ("ALLOCSPI", XfrmMessageType.AllocSpi), ("ACQUIRE", XfrmMessageType.Acquire), ("EXPIRE", XfrmMessageType.Expire),
            ("UPDPOLICY", XfrmMessageType.UpdPolicy), ("UPDSA", XfrmMessageType.UpdSa), ("POLEXPIRE", XfrmMessageType.PolExpire),
            ("FLUSHSA", XfrmMessageType.FlushSa), ("FLUSHPOLICY", XfrmMessageType.FlushPolicy), ("NEWAE", XfrmMessageType.NewAe),
            ("REPORT", XfrmMessageType.Report), ("MIGRATE", XfrmMessageType.Migrate), ("NEWSADINFO", XfrmMessageType.NewSadInfo),
            ("GETSADINFO", XfrmMessageType.GetSadInfo), ("NEWSPDINFO", XfrmMessageType.NewSpdInfo), ("GETSPDINFO", XfrmMessageType.GetSpdInfo),
            ("MAPPING", XfrmMessageType.Mapping));
        Numbers("XFRMA_", ("ALG_AUTH_TRUNC", XfrmAttribute.AlgAuthTrunc), ("ALG_CRYPT", XfrmAttribute.AlgCrypt), ("ALG_AEAD", XfrmAttribute.AlgAead),
            ("ENCAP", XfrmAttribute.Encap), ("TMPL", XfrmAttribute.Tmpl), ("POLICY", XfrmAttribute.Policy), ("LTIME_VAL", XfrmAttribute.LtimeVal),
            ("REPLAY_VAL", XfrmAttribute.ReplayVal), ("LASTUSED", XfrmAttribute.LastUsed), ("MIGRATE", XfrmAttribute.Migrate),
            ("MARK", XfrmAttribute.Mark), ("REPLAY_ESN_VAL", XfrmAttribute.ReplayEsnVal), ("SA_EXTRA_FLAGS", XfrmAttribute.SaExtraFlags),
            ("PROTO", XfrmAttribute.Proto), ("OFFLOAD_DEV", XfrmAttribute.OffloadDev), ("SET_MARK", XfrmAttribute.SetMark),
            ("SET_MARK_MASK", XfrmAttribute.SetMarkMask), ("IF_ID", XfrmAttribute.IfId), ("SAD_CNT", XfrmInfoAttribute.SadCount),
            ("SAD_HINFO", XfrmInfoAttribute.SadHashInfo), ("SPD_INFO", XfrmInfoAttribute.SpdInfo), ("SPD_HINFO", XfrmInfoAttribute.SpdHashInfo),
            ("SPD_IPV4_HTHRESH", XfrmInfoAttribute.SpdIPv4Threshold), ("SPD_IPV6_HTHRESH", XfrmInfoAttribute.SpdIPv6Threshold));
        foreach ((string name, XfrmGroups group) in new[] { ("ACQUIRE", XfrmGroups.Acquire), ("EXPIRE", XfrmGroups.Expire), ("SA", XfrmGroups.Sa), ("POLICY", XfrmGroups.Policy), ("AEVENTS", XfrmGroups.Aevents), ("REPORT", XfrmGroups.Report), ("MIGRATE", XfrmGroups.Migrate), ("MAPPING", XfrmGroups.Mapping) })
            _ours.Add($"1 << (XFRMNLGRP_{name} - 1)", (long)group);
        Numbers("XFRM_STATE_", ("NOECN", (long)XfrmStateFlags.NoEcn), ("DECAP_DSCP", (long)XfrmStateFlags.DecapDscp), ("NOPMTUDISC", (long)XfrmStateFlags.NoPmtuDisc),
            ("AF_UNSPEC", (long)XfrmStateFlags.AfUnspec), ("ESN", (long)XfrmStateFlags.Esn));
        Numbers("XFRM_", ("MODE_TUNNEL", (long)XfrmMode.Tunnel), ("MODE_TRANSPORT", (long)XfrmMode.Transport), ("MODE_BEET", (long)XfrmMode.Beet),
            ("POLICY_IN", (long)XfrmPolicyDirection.In), ("POLICY_OUT", (long)XfrmPolicyDirection.Out), ("POLICY_FWD", (long)XfrmPolicyDirection.Forward),
            ("POLICY_BLOCK", (long)XfrmPolicyAction.Block), ("POLICY_ICMP", (long)XfrmPolicyFlags.Icmp), ("OFFLOAD_INBOUND", (long)XfrmOffloadFlags.Inbound),
            ("SA_XFLAG_DONT_ENCAP_DSCP", (long)XfrmExtraFlags.DontEncapDscp), ("AE_CU", (long)XfrmAeventFlags.CauseUpdate), ("AE_LVAL", (long)XfrmAeventFlags.LifetimeValue));

        Check();
    }

    private void Numbers(string prefix, params (string Name, long Value)[] numbers)
    {
        foreach ((string name, long value) in numbers)
            _ours.Add(prefix + name, value);
    }

    private void Check() => Assert.Equal(_ours, KernelHeaders.Ask(["linux/xfrm.h"], _ours.Keys));

    /// <summary>Offsets come from the layout that the code uses: the distance of each field from the struct's start.</summary>
    private void Struct<T>(string name, string fields) where T : unmanaged
    {
        _ours.Add($"sizeof({name})", Unsafe.SizeOf<T>());
        string[] theirs = fields.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        FieldInfo[] own = [.. typeof(T).GetFields(BindingFlags.Instance | BindingFlags.Public).OrderBy(f => f.MetadataToken)];
        Assert.Equal(theirs.Length, own.Length);
        for (int i = 0; i < own.Length; i++)
            _ours.Add($"offsetof({name}, {theirs[i]})", Offset<T>(own[i]));
    }

    /// <summary>Sets the field to all ones within zeroes, and looks where the first one is.</summary>
    private static long Offset<T>(FieldInfo field) where T : unmanaged
    {
        object boxed = default(T);
        Type type = field.FieldType;
        object ones = typeof(XfrmHeaderTests).GetMethod(nameof(Ones), BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(type).Invoke(null, null)!;
        field.SetValue(boxed, ones);
        T value = (T)boxed;
        return MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).IndexOf((byte)0xff);
    }

    private static object Ones<T>() where T : unmanaged
    {
        T value = default;
        MemoryMarshal.AsBytes(new Span<T>(ref value)).Fill(0xff);
        return value;
    }
}
