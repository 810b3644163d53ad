using PcpuIpsec.Esp;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Tests.Esp;

public sealed class SpiPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(128)]
    public void An_SPI_lands_on_the_worker_that_it_was_reserved_for(int workers)
    {
        var pool = new SpiPool(workers);
        for (int i = 0; i < 1000; i++)
            Assert.Equal(i % workers, pool.WorkerOf(pool.Reserve(i % workers)));
    }

    [Fact]
    public void Without_a_worker_SPIs_are_spread_evenly()
    {
        var pool = new SpiPool(4);
        Assert.All(Enumerable.Range(0, 400).Select(_ => pool.WorkerOf(pool.Reserve(null))).CountBy(w => w), w => Assert.Equal(100, w.Value));
    }

    [Fact]
    public void Reserved_numbers_and_numbers_in_use_are_never_given()
    {
        var random = new Sequence([0, 255, 0x100]);
        var pool = new SpiPool(4, random);
        Assert.Equal(0x100u, pool.Reserve(0));

        random.Add(0x100, 0x200);
        Assert.Equal(0x200u, pool.Reserve(0));

        pool.Take(0x300);
        random.Add(0x300, 0x304);
        Assert.Equal(0x304u, pool.Reserve(0));
    }

    [Fact]
    public void An_SPI_does_not_fall_off_the_end_of_the_range()
    {
        // 2^32-1 is a multiple of three: one more for the second worker would be 2^32.
        var pool = new SpiPool(3, new Sequence([uint.MaxValue, 0x300]));
        Assert.Equal(0x301u, pool.Reserve(1));
    }

    [Fact]
    public void A_released_SPI_may_be_given_again()
    {
        var random = new Sequence([0x400, 0x400]);
        var pool = new SpiPool(1, random);
        pool.Release(pool.Reserve(0));
        Assert.Equal(0x400u, pool.Reserve(0));
    }

    private sealed class Sequence(IEnumerable<uint> values) : IRandomSource
    {
        private readonly Queue<uint> _values = new(values);

        public void Add(params uint[] values)
        {
            foreach (uint value in values)
                _values.Enqueue(value);
        }

        public void Fill(Span<byte> destination) => System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(destination, _values.Dequeue());
    }
}
