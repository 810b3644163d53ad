using System.Collections.Immutable;

namespace PcpuIpsec.Ethtool;

/// <summary>ETH_RSS_HASH_*: the function that makes a number of a packet.</summary>
[Flags]
internal enum RssHash : byte
{
    /// <summary>The driver does not tell.</summary>
    Unknown = 0,
    Toeplitz = 1,
    Xor = 2,
    Crc32 = 4,
}

/// <summary>How received packets are spread over queues: the hash's low bits choose an entry of the table, and that the queue.</summary>
internal sealed record Rss
{
    public required RssHash Hash { get; init; }

    /// <summary>40 bytes for most NICs; empty where the driver does not tell it.</summary>
    public required ImmutableArray<byte> Key { get; init; }

    /// <summary>Queues; empty where the driver has no table.</summary>
    public required ImmutableArray<int> Table { get; init; }

    /// <summary>Queues that the table can name; 0 where the driver does not tell.</summary>
    public required int Rings { get; init; }

    /// <summary>RXH_XFRM_*: what is done to addresses and ports before they are hashed; 0 is nothing.</summary>
    public byte InputTransform { get; init; }

    /// <summary>
    /// The table that the kernel makes where nobody set one, and at a reset. Some drivers (igb) begin with another, which a reset does not
    /// bring back; such a one has to be set, and counts as an administrator's from then on.
    /// </summary>
    public bool HasDefaultTable => Rings > 0 && Table.Select((queue, i) => queue == i % Rings).All(same => same);

    public bool Equals(Rss? other)
        => other is not null && (Hash, Rings, InputTransform) == (other.Hash, other.Rings, other.InputTransform) && Key.SequenceEqual(other.Key) && Table.SequenceEqual(other.Table);

    public override int GetHashCode() => HashCode.Combine(Hash, Rings, InputTransform, Key.Length, Table.Length);
}
