using System.Runtime.CompilerServices;

namespace PcpuIpsec.Xfrm;

// Each mirrors the C struct named above it (linux/xfrm.h), fields in its order; sizes and offsets are compared with a C
// compiler's in the tests. Spi and ports are in network order, all other numbers in the host's.

/// <summary>struct xfrm_id.</summary>
internal struct XfrmId
{
    public XfrmAddress Destination;
    public uint Spi;
    public byte Protocol;
}

/// <summary>struct xfrm_selector.</summary>
internal struct XfrmSelectorStruct
{
    public XfrmAddress Destination;
    public XfrmAddress Source;
    public ushort DestinationPort;
    public ushort DestinationPortMask;
    public ushort SourcePort;
    public ushort SourcePortMask;
    public ushort Family;
    public byte DestinationPrefixLength;
    public byte SourcePrefixLength;
    public byte Protocol;
    public int InterfaceIndex;
    public uint User;
}

/// <summary>struct xfrm_lifetime_cfg.</summary>
internal struct XfrmLifetimeConfig
{
    public ulong SoftByteLimit;
    public ulong HardByteLimit;
    public ulong SoftPacketLimit;
    public ulong HardPacketLimit;
    public ulong SoftAddExpiresSeconds;
    public ulong HardAddExpiresSeconds;
    public ulong SoftUseExpiresSeconds;
    public ulong HardUseExpiresSeconds;
}

/// <summary>struct xfrm_lifetime_cur.</summary>
internal struct XfrmLifetimeCurrent
{
    public ulong Bytes;
    public ulong Packets;
    public ulong AddTime;
    public ulong UseTime;
}

/// <summary>struct xfrm_replay_state.</summary>
internal struct XfrmReplayState
{
    public uint OutboundSequence;
    public uint Sequence;
    public uint Bitmap;
}

/// <summary>struct xfrm_replay_state_esn; the bitmap's words follow.</summary>
internal struct XfrmReplayStateEsn
{
    public uint BitmapLength;
    public uint OutboundSequence;
    public uint Sequence;
    public uint OutboundSequenceHigh;
    public uint SequenceHigh;
    public uint ReplayWindow;
}

/// <summary>char alg_name[64].</summary>
[InlineArray(Length)]
internal struct XfrmAlgorithmName
{
    public const int Length = 64;
    private byte _first;
}

/// <summary>struct xfrm_stats.</summary>
internal struct XfrmStats
{
    public uint ReplayWindow;
    public uint Replay;
    public uint IntegrityFailed;
}

/// <summary>struct xfrm_mark.</summary>
internal struct XfrmMarkStruct
{
    public uint Value;
    public uint Mask;
}

/// <summary>struct xfrm_usersa_info.</summary>
internal struct XfrmUserSaInfo
{
    public XfrmSelectorStruct Selector;
    public XfrmId Id;
    public XfrmAddress Source;
    public XfrmLifetimeConfig Limits;
    public XfrmLifetimeCurrent Current;
    public XfrmStats Stats;
    public uint Sequence;
    public uint RequestId;
    public ushort Family;
    public byte Mode;
    public byte ReplayWindow;
    public byte Flags;
}

/// <summary>struct xfrm_usersa_id.</summary>
internal struct XfrmUserSaId
{
    public XfrmAddress Destination;
    public uint Spi;
    public ushort Family;
    public byte Protocol;
}

/// <summary>struct xfrm_aevent_id.</summary>
internal struct XfrmAeventId
{
    public XfrmUserSaId Id;
    public XfrmAddress Source;
    public uint Flags;
    public uint RequestId;
}

/// <summary>struct xfrm_userspi_info.</summary>
internal struct XfrmUserSpiInfo
{
    public XfrmUserSaInfo Info;
    public uint Minimum;
    public uint Maximum;
}

/// <summary>struct xfrm_encap_tmpl.</summary>
internal struct XfrmEncapTemplate
{
    public ushort Type;
    public ushort SourcePort;
    public ushort DestinationPort;
    public XfrmAddress OriginalAddress;
}

/// <summary>struct xfrm_user_offload.</summary>
internal struct XfrmUserOffload
{
    public int InterfaceIndex;
    public byte Flags;
}

/// <summary>struct xfrm_usersa_flush.</summary>
internal struct XfrmUserSaFlush
{
    public byte Protocol;
}

/// <summary>struct xfrm_user_expire.</summary>
internal struct XfrmUserExpire
{
    public XfrmUserSaInfo State;
    public byte Hard;
}

/// <summary>struct xfrm_user_mapping.</summary>
internal struct XfrmUserMapping
{
    public XfrmUserSaId Id;
    public uint RequestId;
    public XfrmAddress OldSource;
    public XfrmAddress NewSource;
    public ushort OldSourcePort;
    public ushort NewSourcePort;
}
