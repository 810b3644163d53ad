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
    public TimeSpan UpAt { get; init; }

    /// <summary>The CPU that a rekey under way moves it to.</summary>
    public CpuState? MovingTo { get; set; }
    public TimeSpan MovingSince { get; set; }

    /// <summary>We asked to delete it.</summary>
    public bool Leaving { get; set; }

    /// <summary>An outbound half was skipped or taken out, and nothing is under way for it.</summary>
    public bool IsSurplus => !IsFallback && !Leaving && Cpu is null && MovingTo is null;
}
