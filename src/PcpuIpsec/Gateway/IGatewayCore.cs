using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

/// <summary>The pure protocol as the edge drives it: events and time in, effects out. Used by one thread at a time.</summary>
internal interface IGatewayCore
{
    /// <summary>When <see cref="TimePassed"/> is due, on the clock of <see cref="Process"/>; null: not at all.</summary>
    TimeSpan? NextDeadline { get; }

    IReadOnlyDictionary<string, long> Counters { get; }

    /// <summary>Takes one event at a point of a monotonic clock and appends what is to be done, in order.</summary>
    void Process(IkeEvent e, TimeSpan now, List<IkeEffect> effects);

    IReadOnlyList<ConnectionSnapshot> Snapshot();

    /// <summary>One connection; null where there is none of that name.</summary>
    ConnectionSnapshot? Snapshot(string connection);
}
