namespace PcpuIpsec.Ike;

/// <content>Selectors as sets of packets: intersection, narrowing, equality.</content>
public sealed partial record TrafficSelector
{
    /// <summary>More pieces than this and a cover is taken as not proven, so that a peer's list cannot cost us without bound.</summary>
    private const int MaxPieces = 4096;

    /// <summary>What both cover, or null.</summary>
    internal TrafficSelector? Intersect(TrafficSelector other)
    {
        if (IsIPv6 != other.IsIPv6 || Start > other.End || other.Start > End)
            return null;
        if (Protocol != other.Protocol && Protocol != 0 && other.Protocol != 0)
            return null;
        if (IntersectPorts(other) is not var (startPort, endPort))
            return null;
        return new TrafficSelector(IsIPv6, Math.Max(Protocol, other.Protocol), startPort, endPort, UInt128.Max(Start, other.Start), UInt128.Min(End, other.End));
    }

    /// <summary>True where the other covers nothing that this does not.</summary>
    internal bool Contains(TrafficSelector other) => Intersect(other) == other;

    /// <summary>True where the selectors together cover all of this one.</summary>
    internal bool IsSubsetOf(IReadOnlyList<TrafficSelector> selectors)
    {
        foreach (TrafficSelector selector in selectors)
        {
            if (selector.Contains(this))
                return true;
        }

        List<Box> left = [new Box(this)];
        foreach (TrafficSelector selector in selectors)
        {
            if (selector.IsIPv6 != IsIPv6)
                continue;
            Box cover = new(selector);
            List<Box> next = [];
            foreach (Box piece in left)
                piece.Subtract(cover, next);
            if (next.Count == 0)
                return true;
            if (next.Count > MaxPieces)
                return false;
            left = next;
        }

        return false;
    }

    /// <summary>True where both lists cover the same packets, however they are cut and ordered.</summary>
    internal static bool SameAs(IReadOnlyList<TrafficSelector> one, IReadOnlyList<TrafficSelector> other)
        => one.All(selector => selector.IsSubsetOf(other)) && other.All(selector => selector.IsSubsetOf(one));

    /// <summary>
    /// The responder's choice (RFC 7296 §2.9): all that is both offered and allowed, so that the first selector, which is
    /// the triggering packet's where a wider one follows, is inside wherever it is allowed at all. Empty: TS_UNACCEPTABLE.
    /// </summary>
    internal static IReadOnlyList<TrafficSelector> Narrow(IReadOnlyList<TrafficSelector> offered, IReadOnlyList<TrafficSelector> allowed)
    {
        List<TrafficSelector> narrowed = [];
        foreach (TrafficSelector offer in offered)
        {
            foreach (TrafficSelector allow in allowed)
            {
                if (offer.Intersect(allow) is not { } both || narrowed.Exists(known => known.Contains(both)))
                    continue;
                narrowed.RemoveAll(both.Contains);
                narrowed.Add(both);
            }
        }

        // One byte counts them on the wire; fewer is narrower, which is always allowed as long as the first choice stays.
        return narrowed.Count <= byte.MaxValue
            ? narrowed
            : [.. narrowed.OrderByDescending(selector => selector.Intersect(offered[0]) is not null).Take(byte.MaxValue)];
    }

    private (ushort Start, ushort End)? IntersectPorts(TrafficSelector other)
    {
        if (AnyPort || this is { OpaquePort: true } && other.OpaquePort)
            return (other.StartPort, other.EndPort);
        if (other.AnyPort)
            return (StartPort, EndPort);
        if (OpaquePort || other.OpaquePort)
            return null;
        ushort start = Math.Max(StartPort, other.StartPort);
        ushort end = Math.Min(EndPort, other.EndPort);
        return start <= end ? (start, end) : null;
    }

    /// <summary>A selector as a box in three dimensions. A port that cannot be seen is the point behind 65535, which "any" includes.</summary>
    private readonly record struct Box(int FirstProtocol, int LastProtocol, int FirstPort, int LastPort, UInt128 First, UInt128 Last)
    {
        private const int Opaque = ushort.MaxValue + 1;

        public Box(TrafficSelector selector)
            : this(
                selector.Protocol,
                selector.Protocol == 0 ? byte.MaxValue : selector.Protocol,
                selector.OpaquePort ? Opaque : selector.StartPort,
                selector.OpaquePort || selector.AnyPort ? Opaque : selector.EndPort,
                selector.Start,
                selector.End)
        {
        }

        /// <summary>Adds what is left of this without the other: nothing, this, or up to six pieces around the hole.</summary>
        public void Subtract(Box other, List<Box> pieces)
        {
            if (other.LastProtocol < FirstProtocol || other.FirstProtocol > LastProtocol
                || other.LastPort < FirstPort || other.FirstPort > LastPort
                || other.Last < First || other.First > Last)
            {
                pieces.Add(this);
                return;
            }

            Box middle = this;
            if (other.FirstProtocol > FirstProtocol)
                pieces.Add(middle with { LastProtocol = other.FirstProtocol - 1 });
            if (other.LastProtocol < LastProtocol)
                pieces.Add(middle with { FirstProtocol = other.LastProtocol + 1 });
            middle = middle with { FirstProtocol = Math.Max(FirstProtocol, other.FirstProtocol), LastProtocol = Math.Min(LastProtocol, other.LastProtocol) };

            if (other.FirstPort > FirstPort)
                pieces.Add(middle with { LastPort = other.FirstPort - 1 });
            if (other.LastPort < LastPort)
                pieces.Add(middle with { FirstPort = other.LastPort + 1 });
            middle = middle with { FirstPort = Math.Max(FirstPort, other.FirstPort), LastPort = Math.Min(LastPort, other.LastPort) };

            if (other.First > First)
                pieces.Add(middle with { Last = other.First - 1 });
            if (other.Last < Last)
                pieces.Add(middle with { First = other.Last + 1 });
        }
    }
}
