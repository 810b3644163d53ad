using System.Security.Cryptography;

namespace PcpuIpsec.Host.Control;

/// <summary>Reads lines as bytes, so that one with a key in it can be zeroed; a line that is too long ends the reading.</summary>
internal sealed class LineReader(Stream stream) : IDisposable
{
    /// <summary>A configuration with a thousand tunnels fits.</summary>
    public const int MaxLength = 1 << 20;

    private byte[] _buffer = GC.AllocateArray<byte>(4096, pinned: true);
    private int _start, _end;

    /// <summary>The next line without its end, the caller's to zero; null at the end of the stream.</summary>
    public async ValueTask<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        int searched = _start;
        while (true)
        {
            int newline = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n');
            if (newline >= 0)
                return Take(searched + newline, 1);
            searched = _end;

            if (_end - _start > MaxLength)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"A line on standard input is longer than {MaxLength} bytes.");
            if (_end == _buffer.Length)
                searched -= MakeRoom();

            int read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                return _end > _start ? Take(_end, 0) : null;
            _end += read;
        }
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(_buffer);

    private byte[] Take(int end, int separator)
    {
        byte[] line = GC.AllocateUninitializedArray<byte>(end - _start, pinned: true);
        _buffer.AsSpan(_start, line.Length).CopyTo(line);
        CryptographicOperations.ZeroMemory(_buffer.AsSpan(_start, line.Length));
        _start = end + separator;
        if (_start == _end)
            _start = _end = 0;
        return line;
    }

    // Returns by how much what was in the buffer moved towards its beginning.
    private int MakeRoom()
    {
        int moved = _start, length = _end - _start;
        byte[] old = _buffer;
        byte[] larger = length > old.Length / 2 ? GC.AllocateArray<byte>(old.Length * 2, pinned: true) : GC.AllocateArray<byte>(old.Length, pinned: true);
        old.AsSpan(_start, length).CopyTo(larger);
        CryptographicOperations.ZeroMemory(old);
        (_buffer, _start, _end) = (larger, 0, length);
        return moved;
    }
}
