using PcpuIpsec.Ike;

namespace PcpuIpsec.Esp.Packets;

/// <summary>
/// Unpredictable IVs for AES-CBC (RFC 3602 §3), for one worker: random bytes fetched many packets at a time,
/// each used once and overwritten.
/// </summary>
internal sealed class IvPool(IRandomSource random)
{
    private readonly byte[] _pool = new byte[256 * 16];
    private int _used = 256 * 16;

    /// <summary>Fills an IV.</summary>
    public void Take(Span<byte> iv)
    {
        if (_pool.Length - _used < iv.Length)
        {
            random.Fill(_pool);
            _used = 0;
        }
        Span<byte> next = _pool.AsSpan(_used, iv.Length);
        next.CopyTo(iv);
        next.Clear();
        _used += iv.Length;
    }
}
