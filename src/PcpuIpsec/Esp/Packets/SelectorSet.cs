using PcpuIpsec.Ike;

namespace PcpuIpsec.Esp.Packets;

/// <summary>The selectors of both sides, ready to be matched against packets: any of one side with any of the other (RFC 7296 §2.9).</summary>
internal sealed class SelectorSet(IReadOnlyList<TrafficSelector> local, IReadOnlyList<TrafficSelector> remote)
{
    private readonly TrafficSelector[] _local = [.. local];
    private readonly TrafficSelector[] _remote = [.. remote];

    /// <summary>True where a packet that leaves is covered: its source is ours, its destination the peer's.</summary>
    public bool MatchesOutbound(in FlowKey key)
        => Matches(_local, key, key.Source, key.SourcePort) && Matches(_remote, key, key.Destination, key.DestinationPort);

    /// <summary>True where a packet that arrived is covered: its source is the peer's, its destination ours.</summary>
    public bool MatchesInbound(in FlowKey key)
        => Matches(_remote, key, key.Source, key.SourcePort) && Matches(_local, key, key.Destination, key.DestinationPort);

    private static bool Matches(TrafficSelector[] selectors, in FlowKey key, UInt128 address, ushort port)
    {
        foreach (TrafficSelector selector in selectors)
        {
            if (selector.IsIPv6 == key.IsIPv6 && address >= selector.Start && address <= selector.End && MatchesProtocol(selector, key, port))
                return true;
        }
        return false;
    }

    private static bool MatchesProtocol(TrafficSelector selector, in FlowKey key, ushort port)
    {
        if (selector.Protocol == 0)
            return true;
        if (!key.HasProtocol || key.Protocol != selector.Protocol)
            return false;
        // RFC 4301 §4.4.1.1: what has no port to look at (later fragments) is OPAQUE, which ANY covers and no number does.
        return selector.AnyPort
            || (key.HasPorts ? port >= selector.StartPort && port <= selector.EndPort : selector is { StartPort: ushort.MaxValue, EndPort: 0 });
    }
}
