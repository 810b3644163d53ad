namespace PcpuIpsec.Gateway;

/// <summary>The XFRM interface of a route-based tunnel.</summary>
public sealed record XfrmInterfaceOptions
{
    /// <summary>
    /// Its name: 1 to 15 characters. One that is not there is made, and removed with the tunnel; one that is there with the
    /// same <see cref="Id"/> is used and stays.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>Its number (if_id), not 0 and no other interface's; null: one that follows from the tunnel's name.</summary>
    public uint? Id { get; init; }

    /// <summary>Its MTU, 1280 to 65535; null: what fits into the path's MTU with the SA's overhead, and 1280 until there is an SA.</summary>
    public int? Mtu { get; init; }

    /// <summary>The prefixes that are routed into it; null: those of <see cref="TunnelOptions.RemoteSelectors"/>. Empty: none, the routes are yours.</summary>
    public IReadOnlyList<string>? Routes { get; init; }
}
