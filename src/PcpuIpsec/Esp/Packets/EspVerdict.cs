namespace PcpuIpsec.Esp.Packets;

/// <summary>What became of one packet.</summary>
internal enum EspVerdict
{
    Ok,

    /// <summary>Inbound: no SA has this SPI.</summary>
    InNoSa,

    /// <summary>Inbound: too short for its algorithms, or the ciphertext is no whole number of blocks.</summary>
    InMalformed,

    /// <summary>Inbound: seen before, or left of the window (RFC 4303 §3.4.3).</summary>
    InReplay,

    /// <summary>Inbound: the ICV is wrong (§3.4.4).</summary>
    InIntegrity,

    /// <summary>Inbound: authentic, but the padding is not 1, 2, 3, … or is longer than the packet (§2.4).</summary>
    InPadding,

    /// <summary>Inbound: authentic, but the next header does not fit the SA's mode (tunnel: 4 and 41 alone).</summary>
    InMode,

    /// <summary>Inbound: authentic, but what came out is no well-formed IP packet.</summary>
    InInnerMalformed,

    /// <summary>Inbound: authentic, but outside the SA's selectors (RFC 4301 §5.2).</summary>
    InSelector,

    /// <summary>Inbound: the SA's hard lifetime is over.</summary>
    InExpired,

    /// <summary>Inbound: plain ESP on an SA with UDP encapsulation, or the other way round.</summary>
    InEncapsulation,

    /// <summary>Inbound: a dummy packet, next header 59 (RFC 4303 §2.6): authentic and dropped on purpose.</summary>
    InDummy,

    /// <summary>Inbound: congestion was marked outside on a packet that is not ECN-capable inside (RFC 6040 §4.2).</summary>
    InEcn,

    /// <summary>Inbound: the destination buffer is too small.</summary>
    InBuffer,

    /// <summary>Outbound: there is no SA for the packet.</summary>
    OutNoSa,

    /// <summary>Outbound: no well-formed IP packet.</summary>
    OutMalformed,

    /// <summary>Outbound: outside the SA's selectors; never sent.</summary>
    OutSelector,

    /// <summary>Outbound: the sequence numbers are used up (RFC 4303 §3.3.3).</summary>
    OutSequence,

    /// <summary>Outbound: the SA's hard lifetime is over.</summary>
    OutExpired,

    /// <summary>Outbound: larger than an IP packet can be once protected, or than the path allows.</summary>
    OutTooBig,

    /// <summary>Outbound: a fragment in transport mode, which takes whole datagrams (RFC 4303 §3.3.4).</summary>
    OutFragment,

    /// <summary>Outbound: in transport mode, IPv4 options or IPv6 headers that would have to stand before ESP (RFC 4303 §3.1.1).</summary>
    OutOptions,

    /// <summary>Outbound: the destination buffer is too small.</summary>
    OutBuffer,
}

/// <summary>The verdicts as counters.</summary>
internal static class EspVerdicts
{
    /// <summary>How many verdicts there are, for arrays of counters indexed by them.</summary>
    public const int Count = (int)EspVerdict.OutBuffer + 1;

    private static readonly string[] _names = MakeNames();

    /// <summary>The counter's name: the one of /proc/net/xfrm_stat where the kernel has one for the thing.</summary>
    public static string Counter(EspVerdict verdict) => _names[(int)verdict];

    private static string[] MakeNames()
    {
        string[] names = new string[Count];
        foreach (EspVerdict verdict in Enum.GetValues<EspVerdict>())
            names[(int)verdict] = Name(verdict);
        return names;
    }

    private static string Name(EspVerdict verdict) => verdict switch
    {
        EspVerdict.InNoSa => "XfrmInNoStates",
        EspVerdict.InMalformed or EspVerdict.InInnerMalformed => "XfrmInHdrError",
        EspVerdict.InReplay => "XfrmInStateSeqError",
        EspVerdict.InIntegrity or EspVerdict.InPadding => "XfrmInStateProtoError",
        EspVerdict.InMode => "XfrmInStateModeError",
        EspVerdict.InSelector => "XfrmInTmplMismatch",
        EspVerdict.InExpired => "XfrmInStateExpired",
        EspVerdict.InEncapsulation => "XfrmInStateMismatch",
        EspVerdict.InBuffer => "XfrmInBufferError",
        EspVerdict.OutNoSa => "XfrmOutNoStates",
        EspVerdict.OutMalformed or EspVerdict.OutBuffer => "XfrmOutError",
        EspVerdict.OutSelector => "XfrmOutPolBlock",
        EspVerdict.OutSequence => "XfrmOutStateSeqError",
        EspVerdict.OutExpired => "XfrmOutStateExpired",
        _ => "Esp" + verdict,
    };
}
