namespace PcpuIpsec.Resources;

/// <summary>One Child SA as its group keeps it.</summary>
internal sealed class GroupChild(int number, bool isFallback, bool initiatedByUs)
{
    public int Number { get; } = number;
    public bool IsFallback { get; } = isFallback;
    public bool InitiatedByUs { get; } = initiatedByUs;

    /// <summary>The CPU whose outbound SA it is; null for the fallback and where the outbound half is skipped.</summary>
    public CpuState? Cpu { get; set; }

    /// <summary>The CPU that its inbound SPI was reserved for, where it is known.</summary>
    public int? InboundCpu { get; set; }

    /// <summary>The outbound half was in the data plane with the present keys: they must not be installed again.</summary>
    public bool OutboundUsed { get; set; }

    /// <summary>When our request for it was asked for, or the peer's was placed.</summary>
    public TimeSpan RequestedAt { get; init; }
    public TimeSpan UpAt
    {
        get;
        init => LastUsed = field = value;
    }

    /// <summary>When a packet was last seen to have gone either way, or it came up.</summary>
    public TimeSpan LastUsed { get; private set; }

    /// <summary>When a packet was last seen to have gone out; null where none has.</summary>
    public TimeSpan? LastSent { get; private set; }

    /// <summary>Packets had gone out at the last look that had not at the one before.</summary>
    public bool SentNow { get; private set; }

    private long Sent { get; set; }
    private long Received { get; set; }

    /// <summary>Takes what it has carried; true where that is more than before.</summary>
    public bool Take(ChildUsage usage, TimeSpan now)
    {
        SentNow = usage.Sent > Sent;
        bool used = SentNow || usage.Received > Received;
        (Sent, Received) = (usage.Sent, usage.Received);
        if (used)
            LastUsed = now;
        if (SentNow)
            LastSent = now;
        return used;
    }

    /// <summary>New keys: what they carry is counted anew.</summary>
    public void CountAnew() => (Sent, Received) = (0, 0);

    /// <summary>The CPU that a rekey under way moves it to.</summary>
    public CpuState? MovingTo { get; set; }
    public TimeSpan MovingSince { get; set; }

    /// <summary>We asked to delete it.</summary>
    public bool Leaving { get; set; }

    /// <summary>An outbound half was skipped or taken out, and nothing is under way for it.</summary>
    public bool IsSurplus => !IsFallback && !Leaving && Cpu is null && MovingTo is null;
}
