namespace PcpuIpsec.Gateway;

/// <summary>Traffic that a tunnel does not carry though its selectors cover it: between two sides, of which one at least is given, in both directions.</summary>
public sealed record TrafficPair
{
    /// <summary>Our side; null: the tunnel's <see cref="TunnelOptions.LocalSelectors"/>.</summary>
    public SelectorOption? Local { get; init; }

    /// <summary>The other side; null: the tunnel's <see cref="TunnelOptions.RemoteSelectors"/>.</summary>
    public SelectorOption? Remote { get; init; }

    /// <summary>"10.1.0.1[tcp/22] to 10.9.0.0/16".</summary>
    public override string ToString() => $"{Local?.ToString() ?? "LocalSelectors"} to {Remote?.ToString() ?? "RemoteSelectors"}";
}
