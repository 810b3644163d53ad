namespace PcpuIpsec.Xfrm;

// As XfrmStructs.cs: the structs of policies, of their events and of the two tables.

/// <summary>struct xfrm_user_tmpl.</summary>
internal struct XfrmUserTemplate
{
    public XfrmId Id;
    public ushort Family;
    public XfrmAddress Source;
    public uint RequestId;
    public byte Mode;
    public byte Share;
    public byte Optional;
    public uint AuthenticationAlgorithms;
    public uint EncryptionAlgorithms;
    public uint CompressionAlgorithms;
}

/// <summary>struct xfrm_userpolicy_info.</summary>
internal struct XfrmUserPolicyInfo
{
    public XfrmSelectorStruct Selector;
    public XfrmLifetimeConfig Limits;
    public XfrmLifetimeCurrent Current;
    public uint Priority;
    public uint Index;
    public byte Direction;
    public byte Action;
    public byte Flags;
    public byte Share;
}

/// <summary>struct xfrm_userpolicy_id.</summary>
internal struct XfrmUserPolicyId
{
    public XfrmSelectorStruct Selector;
    public uint Index;
    public byte Direction;
}

/// <summary>struct xfrm_userpolicy_type.</summary>
internal struct XfrmUserPolicyType
{
    public byte Type;
    public ushort Reserved1;
    public byte Reserved2;
}

/// <summary>struct xfrm_user_acquire.</summary>
internal struct XfrmUserAcquire
{
    public XfrmId Id;
    public XfrmAddress Source;
    public XfrmSelectorStruct Selector;
    public XfrmUserPolicyInfo Policy;
    public uint AuthenticationAlgorithms;
    public uint EncryptionAlgorithms;
    public uint CompressionAlgorithms;
    public uint Sequence;
}

/// <summary>struct xfrm_user_polexpire.</summary>
internal struct XfrmUserPolicyExpire
{
    public XfrmUserPolicyInfo Policy;
    public byte Hard;
}

/// <summary>struct xfrm_user_report.</summary>
internal struct XfrmUserReport
{
    public byte Protocol;
    public XfrmSelectorStruct Selector;
}

/// <summary>struct xfrm_user_migrate.</summary>
internal struct XfrmUserMigrate
{
    public XfrmAddress OldDestination;
    public XfrmAddress OldSource;
    public XfrmAddress NewDestination;
    public XfrmAddress NewSource;
    public byte Protocol;
    public byte Mode;
    public ushort Reserved;
    public uint RequestId;
    public ushort OldFamily;
    public ushort NewFamily;
}

/// <summary>struct xfrmu_sadhinfo.</summary>
internal struct XfrmSadHashInfo
{
    public uint Buckets;
    public uint BucketsAtMost;
}

/// <summary>struct xfrmu_spdinfo: policies by direction, then those of sockets.</summary>
internal struct XfrmSpdCounts
{
    public uint In;
    public uint Out;
    public uint Forward;
    public uint SocketIn;
    public uint SocketOut;
    public uint SocketForward;
}

/// <summary>struct xfrmu_spdhinfo.</summary>
internal struct XfrmSpdHashInfo
{
    public uint Buckets;
    public uint BucketsAtMost;
}

/// <summary>struct xfrmu_spdhthresh.</summary>
internal struct XfrmSpdHashThreshold
{
    public byte LocalBits;
    public byte RemoteBits;
}
