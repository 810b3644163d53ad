namespace PcpuIpsec.Xfrm;

/// <summary>XFRM_MSG_* (linux/xfrm.h).</summary>
internal static class XfrmMessageType
{
    public const ushort NewSa = 0x10, DelSa = 0x11, GetSa = 0x12;
    public const ushort NewPolicy = 0x13, DelPolicy = 0x14, GetPolicy = 0x15;
    public const ushort AllocSpi = 0x16, Acquire = 0x17, Expire = 0x18;
    public const ushort UpdPolicy = 0x19, UpdSa = 0x1a, PolExpire = 0x1b;
    public const ushort FlushSa = 0x1c, FlushPolicy = 0x1d;
    public const ushort NewAe = 0x1e, GetAe = 0x1f;
    public const ushort Report = 0x20, Migrate = 0x21;
    public const ushort NewSadInfo = 0x22, GetSadInfo = 0x23, NewSpdInfo = 0x24, GetSpdInfo = 0x25;
    public const ushort Mapping = 0x26;
}

/// <summary>XFRMA_* (linux/xfrm.h). The newest are defined here whatever the host's header knows.</summary>
internal static class XfrmAttribute
{
    public const ushort AlgAuth = 1, AlgCrypt = 2, Encap = 4, Tmpl = 5, Sa = 6, Policy = 7;
    public const ushort LtimeVal = 9, ReplayVal = 10, SrcAddr = 13, LastUsed = 15, PolicyType = 16, Migrate = 17;
    public const ushort AlgAead = 18, KmAddress = 19, AlgAuthTrunc = 20, Mark = 21, ReplayEsnVal = 23, SaExtraFlags = 24;
    public const ushort Proto = 25, AddressFilter = 26, OffloadDev = 28, SetMark = 29, SetMarkMask = 30, IfId = 31;

    /// <summary>Kernel 5.17.</summary>
    public const ushort MtimerThresh = 32;

    /// <summary>Kernel 6.10.</summary>
    public const ushort SaDir = 33;

    /// <summary>Kernel 6.11.</summary>
    public const ushort NatKeepaliveInterval = 34;

    /// <summary>Kernel 6.13.</summary>
    public const ushort SaPcpu = 35;
}

/// <summary>XFRMA_SAD_* and XFRMA_SPD_*: the attributes of the two tables' own messages.</summary>
internal static class XfrmInfoAttribute
{
    public const ushort SadCount = 1, SadHashInfo = 2;
    public const ushort SpdInfo = 1, SpdHashInfo = 2, SpdIPv4Threshold = 3, SpdIPv6Threshold = 4;
}

/// <summary>XFRMNLGRP_*, as bits: what a monitor may be asked to listen to.</summary>
[Flags]
internal enum XfrmGroups
{
    None = 0,
    Acquire = 1 << 0,
    Expire = 1 << 1,
    Sa = 1 << 2,
    Policy = 1 << 3,
    Aevents = 1 << 4,
    Report = 1 << 5,
    Migrate = 1 << 6,
    Mapping = 1 << 7,
}

/// <summary>XFRM_MODE_*.</summary>
internal enum XfrmMode : byte
{
    Transport = 0,
    Tunnel = 1,
    RouteOptimization = 2,
    InTrigger = 3,
    Beet = 4,
    Iptfs = 5,
}

/// <summary>XFRM_SA_DIR_* (kernel 6.10).</summary>
internal enum XfrmSaDirection : byte
{
    In = 1,
    Out = 2,
}

/// <summary>XFRM_STATE_*: xfrm_usersa_info.flags.</summary>
[Flags]
internal enum XfrmStateFlags : byte
{
    None = 0,

    /// <summary>Do not carry ECN bits between outer and inner header.</summary>
    NoEcn = 1,

    /// <summary>Inbound: the inner DSCP is taken from the outer one.</summary>
    DecapDscp = 2,

    /// <summary>Outbound: the outer header never has DF set.</summary>
    NoPmtuDisc = 4,
    WildRecv = 8,
    Icmp = 16,

    /// <summary>An empty selector matches both families.</summary>
    AfUnspec = 32,
    Align4 = 64,

    /// <summary>Extended sequence numbers (RFC 4304).</summary>
    Esn = 128,
}

/// <summary>XFRM_SA_XFLAG_*: XFRMA_SA_EXTRA_FLAGS.</summary>
[Flags]
internal enum XfrmExtraFlags : uint
{
    None = 0,

    /// <summary>Outbound: the inner DSCP does not show on the outer header.</summary>
    DontEncapDscp = 1,
    OseqMayWrap = 2,
}

/// <summary>XFRM_POLICY_IN, OUT and FWD; the two last are sockets' own policies, which dumps show too.</summary>
internal enum XfrmPolicyDirection : byte
{
    In = 0,
    Out = 1,
    Forward = 2,
    SocketIn = 3,
    SocketOut = 4,
}

/// <summary>XFRM_POLICY_ALLOW and BLOCK.</summary>
internal enum XfrmPolicyAction : byte
{
    /// <summary>Through the templates; in clear where there are none.</summary>
    Allow = 0,

    /// <summary>Dropped.</summary>
    Block = 1,
}

/// <summary>XFRM_POLICY_*: xfrm_userpolicy_info.flags.</summary>
[Flags]
internal enum XfrmPolicyFlags : byte
{
    None = 0,
    LocalOk = 1,
    Icmp = 2,

    /// <summary>An acquire for each CPU that has no SA of its own (kernel 6.13).</summary>
    CpuAcquire = 4,
}

/// <summary>XFRM_OFFLOAD_*: xfrm_user_offload.flags.</summary>
[Flags]
internal enum XfrmOffloadFlags : byte
{
    None = 0,
    Inbound = 2,

    /// <summary>The device does all of ESP; without it the cipher alone.</summary>
    Packet = 4,
}

/// <summary>XFRM_AE_*: what an XFRM_MSG_NEWAE tells, and why.</summary>
[Flags]
internal enum XfrmAeventFlags : uint
{
    None = 0,
    ReplayThreshold = 1,
    ReplayValue = 2,
    LifetimeValue = 4,
    TimerThreshold = 8,
    CauseReplay = 16,
    CauseTimer = 32,
    CauseUpdate = 64,
}
