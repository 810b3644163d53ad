namespace PcpuIpsec.Client;

/// <summary>Four hosts in network namespaces, <c>sunset – west = east – sunrise</c>, with a daemon at west and at east.</summary>
public sealed record Lab
{
    /// <summary>Distinguishes labs that live at the same time.</summary>
    public required string Id { get; init; }

    /// <summary>The client behind west.</summary>
    public required LabNode Sunset { get; init; }

    /// <summary>The left gateway.</summary>
    public required LabNode West { get; init; }

    /// <summary>The right gateway.</summary>
    public required LabNode East { get; init; }

    /// <summary>The client behind east.</summary>
    public required LabNode Sunrise { get; init; }
}

/// <summary>A host of a lab.</summary>
public sealed record LabNode
{
    /// <summary>Its network namespace: <c>ip netns exec NAMESPACE …</c> runs a program there.</summary>
    public required string Namespace { get; init; }

    /// <summary>The address that others reach it by.</summary>
    public required string Address { get; init; }

    /// <summary>The network that is protected behind it, or that it is in.</summary>
    public required string Network { get; init; }

    /// <summary>The socket of its daemon; null at a client.</summary>
    public string? Socket { get; init; }
}
