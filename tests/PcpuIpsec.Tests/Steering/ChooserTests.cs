using System.Net;
using PcpuIpsec.Steering;

namespace PcpuIpsec.Tests.Steering;

public sealed class ChooserTests
{
    private const int Queues = 8;
    private static readonly IPAddress _peer = IPAddress.Parse("2001:db8::1"), _own = IPAddress.Parse("2001:db8::2");
    private readonly Random _random = new(9611);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_queue_gets_SPIs_that_are_free_and_hash_to_it(bool symmetric)
    {
        RssPlacement rss = Spread(128, symmetric ? RssTransform.SymmetricOrXor : RssTransform.None);
        var taken = new HashSet<uint>();
        for (int i = 0; i < 200; i++)
        {
            uint spi = Assert.NotNull(SpiChooser.TryChoose(rss, _peer, _own, i % Queues, s => !taken.Contains(s), Random));
            Assert.Equal(i % Queues, rss.QueueOf(_peer, _own, spi));
            Assert.InRange(spi, SpiChooser.Smallest, uint.MaxValue);
            Assert.True(taken.Add(spi));
        }
    }

    [Fact]
    public void A_queue_with_a_single_entry_in_a_large_table_is_found_too()
    {
        int[] table = new int[2048];
        table[77] = 1;
        var rss = new RssPlacement(ToeplitzTests.Key, table);
        Assert.Equal(1, rss.QueueOf(_peer, _own, Assert.NotNull(SpiChooser.TryChoose(rss, _peer, _own, 1, _ => true, Random))));
    }

    [Fact]
    public void The_search_for_an_SPI_ends_where_there_is_none()
    {
        Assert.Null(SpiChooser.TryChoose(Spread(128), _peer, _own, Queues, _ => true, Random)); // No such queue
        Assert.Null(SpiChooser.TryChoose(Spread(128), _peer, _own, 3, _ => false, Random));
        Assert.Null(SpiChooser.TryChoose(Spread(128), _peer, _own, 3, _ => true, () => 255)); // Reserved ones alone
    }

    [Fact]
    public void Every_queue_gets_a_source_port_of_the_range_that_hashes_to_it()
    {
        RssPlacement rss = Spread(128);
        var taken = new HashSet<ushort>();
        for (int i = 0; i < 200; i++)
        {
            ushort port = Assert.NotNull(SourcePortChooser.TryChoose(rss, _peer, _own, 4500, i % Queues, (49152, 65535), p => !taken.Contains(p), Random));
            Assert.Equal(i % Queues, rss.QueueOf(_peer, _own, port, 4500));
            Assert.InRange(port, 49152, 65535);
            Assert.True(taken.Add(port));
        }
    }

    [Fact]
    public void The_last_port_of_a_range_that_fits_is_found_and_none_beyond_it()
    {
        RssPlacement rss = Spread(128);
        int queue = rss.QueueOf(_peer, _own, 60007, 4500);
        Assert.Equal<ushort?>(60007, SourcePortChooser.TryChoose(rss, _peer, _own, 4500, queue, (60000, 60007), p => p == 60007, Random));
        Assert.Null(SourcePortChooser.TryChoose(rss, _peer, _own, 4500, queue, (60000, 60007), p => p > 60007, Random));
        Assert.Null(SourcePortChooser.TryChoose(rss, _peer, _own, 4500, Queues, (1, 65535), _ => true, Random));
        Assert.Contains("9-8", Assert.Throws<PcpuIpsecException>(() => SourcePortChooser.TryChoose(rss, _peer, _own, 4500, 0, (9, 8), _ => true, Random)).Message);
    }

    private uint Random() => (uint)_random.NextInt64(1L << 32);

    private static RssPlacement Spread(int size, RssTransform transform = RssTransform.None)
        => new(ToeplitzTests.Key, [.. Enumerable.Range(0, size).Select(i => i % Queues)], transform);
}
