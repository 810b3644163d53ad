using System.Text;
using PcpuIpsec.Host.Control;

namespace PcpuIpsec.Tests.Host;

public class LineReaderTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4096)]
    public async Task Lines_come_whole_however_they_were_cut(int piece)
    {
        string[] lines = ["{}", "", new string('x', 5000), "umlaut ü", new string('y', 40_000), "the last has no end"];
        using var reader = new LineReader(new Pieces(Encoding.UTF8.GetBytes(string.Join('\n', lines)), piece));

        var read = new List<string>();
        while (await reader.ReadAsync(CancellationToken.None) is { } line)
            read.Add(Encoding.UTF8.GetString(line));

        Assert.Equal(lines, read);
    }

    [Fact]
    public async Task An_end_of_line_at_the_end_makes_no_further_line()
    {
        using var reader = new LineReader(new MemoryStream("a\n"u8.ToArray()));

        Assert.Equal("a"u8.ToArray(), await reader.ReadAsync(CancellationToken.None));
        Assert.Null(await reader.ReadAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_line_without_end_is_given_up()
    {
        using var reader = new LineReader(new MemoryStream(new byte[LineReader.MaxLength * 3]));

        await Assert.ThrowsAsync<PcpuIpsecException>(async () => await reader.ReadAsync(CancellationToken.None));
    }

    private sealed class Pieces(byte[] bytes, int most) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            => base.ReadAsync(buffer[..Math.Min(most, buffer.Length)], cancellationToken);
    }
}
