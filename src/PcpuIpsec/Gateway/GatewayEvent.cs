namespace PcpuIpsec.Gateway;

/// <summary>What an event is about.</summary>
public enum GatewayEventKind
{
    /// <summary>A tunnel was added; its traffic is held.</summary>
    TunnelAdded,

    /// <summary>A tunnel was removed; its traffic is no longer protected.</summary>
    TunnelRemoved,

    /// <summary>An IKE SA is authenticated and ready.</summary>
    IkeSaEstablished,

    /// <summary>An IKE SA was replaced by one with new keys.</summary>
    IkeSaRekeyed,

    /// <summary>An IKE SA is gone, and its Child SAs with it.</summary>
    IkeSaClosed,

    /// <summary>An IKE SA could not be set up.</summary>
    IkeSaFailed,

    /// <summary>A Child SA is installed.</summary>
    ChildSaEstablished,

    /// <summary>A Child SA has new keys and SPIs, perhaps on another CPU; its number is the same.</summary>
    ChildSaRekeyed,

    /// <summary>A Child SA got another CPU, or its outbound half came or went.</summary>
    ChildSaChanged,

    /// <summary>A Child SA is gone.</summary>
    ChildSaClosed,

    /// <summary>A Child SA could not be created or rekeyed.</summary>
    ChildSaFailed,

    /// <summary>A CPU went offline or came online.</summary>
    CpuChanged,

    /// <summary>Something works and should still be looked at, as a suite without encryption.</summary>
    Warning,

    /// <summary>The data plane failed: protected traffic is held until the gateway is started anew.</summary>
    DataPlaneFailed,
}

/// <summary>Something that happened in a gateway.</summary>
public sealed record GatewayEvent
{
    /// <summary>When (wall clock, UTC).</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>What it is about.</summary>
    public required GatewayEventKind Kind { get; init; }

    /// <summary>The tunnel; empty where it concerns the whole gateway.</summary>
    public required string Tunnel { get; init; }

    /// <summary>What happened, for people.</summary>
    public required string Message { get; init; }

    /// <summary>The Child SA, its counters zero, where it concerns one.</summary>
    public ChildSaStatus? ChildSa { get; init; }

    /// <summary>The reason, where something failed.</summary>
    public PcpuIpsecError? Error { get; init; }
}
