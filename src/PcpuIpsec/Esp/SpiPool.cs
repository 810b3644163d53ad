using System.Buffers.Binary;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Esp;

/// <summary>
/// Inbound SPIs that are reserved or in use. An SPI's remainder by the number of workers is the worker that its packets land on;
/// all else in it is random, so that the peer and who watches learn no CPU number from it. Not for several threads.
/// </summary>
internal sealed class SpiPool(int workers, IRandomSource? random = null)
{
    /// <summary>RFC 4303 §2.1: 1 to 255 are reserved, 0 is local.</summary>
    private const uint Lowest = 256;

    private readonly IRandomSource _random = random ?? new SystemRandom();
    private readonly HashSet<uint> _taken = [];
    private int _next;

    /// <summary>The worker that an SPI's packets land on.</summary>
    public int WorkerOf(uint spi) => (int)(spi % (uint)workers);

    /// <summary>Reserves one for a worker, or where it is null for each in turn.</summary>
    public uint Reserve(int? worker)
    {
        int index = worker ?? _next++ % workers;
        Span<byte> bytes = stackalloc byte[4];
        while (true)
        {
            _random.Fill(bytes);
            uint spi = BinaryPrimitives.ReadUInt32BigEndian(bytes);
            // One that differs by less than the number of workers, and may fall off either end of the range.
            ulong candidate = (ulong)spi - (uint)WorkerOf(spi) + (uint)index;
            if (candidate is >= Lowest and <= uint.MaxValue && _taken.Add((uint)candidate))
                return (uint)candidate;
        }
    }

    /// <summary>Takes one that was chosen elsewhere, or is reserved already.</summary>
    public void Take(uint spi) => _taken.Add(spi);

    public void Release(uint spi) => _taken.Remove(spi);
}
