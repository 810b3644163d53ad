using System.Net;
using System.Numerics;

namespace PcpuIpsec.Steering;

/// <summary>On which queue an interface puts a packet by itself: hash, then table.</summary>
internal sealed class RssPlacement
{
    private readonly Toeplitz _hash;
    private readonly RssTransform _transform;
    private readonly IReadOnlyList<int> _table;

    /// <param name="key">The interface's RSS key.</param>
    /// <param name="table">Its indirection table: queues.</param>
    /// <param name="transform">What it does to addresses and ports before.</param>
    public RssPlacement(ReadOnlySpan<byte> key, IReadOnlyList<int> table, RssTransform transform = RssTransform.None)
    {
        // What a NIC does with the hash where the size is no power of two is not documented anywhere.
        if (!BitOperations.IsPow2(table.Count))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"RSS table = {table.Count} entries: allowed are powers of two.");
        if (transform is not (RssTransform.None or RssTransform.SymmetricXor or RssTransform.SymmetricOrXor))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"RSS transform = {(byte)transform}: allowed are 0 (none), 1 (symmetric-xor) and 2 (symmetric-or-xor).");
        (_hash, _table, _transform) = (new Toeplitz(key), table, transform);
    }

    public int QueueOf(IPAddress source, IPAddress destination) => QueueOf(_hash.Hash(source, destination, _transform));

    public int QueueOf(IPAddress source, IPAddress destination, ushort sourcePort, ushort destinationPort)
        => QueueOf(_hash.Hash(source, destination, sourcePort, destinationPort, _transform));

    /// <summary>ESP's, where the NIC hashes the SPI.</summary>
    public int QueueOf(IPAddress source, IPAddress destination, uint spi) => QueueOf(_hash.Hash(source, destination, spi, _transform));

    /// <summary>How many of the table's entries lead to a queue.</summary>
    public int EntriesOf(int queue) => _table.Count(q => q == queue);

    public int TableSize => _table.Count;

    private int QueueOf(uint hash) => _table[(int)(hash & (uint)(_table.Count - 1))];
}
