using System.Security.Cryptography;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// Remembers which keys outbound states had, by a hash under a key of its own: installed again they would begin their sequence
/// numbers, and with them the nonces of an AEAD, anew (RFC 4106 §3.1).
/// </summary>
internal sealed class KeyHistory : IDisposable
{
    /// <summary>A day of 128 CPUs with a rekey every hour; older keys are gone from both ends.</summary>
    private const int EntriesAtMost = 4096;

    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly HashSet<UInt128> _known = [];
    private readonly Queue<UInt128> _order = new();

    /// <summary>False where the key was there before.</summary>
    public bool Add(ReadOnlySpan<byte> encryptionKey)
    {
        Span<byte> hash = stackalloc byte[32];
        HMACSHA256.HashData(_key, encryptionKey, hash);
        UInt128 entry = new(BitConverter.ToUInt64(hash), BitConverter.ToUInt64(hash[8..]));
        if (!_known.Add(entry))
            return false;
        _order.Enqueue(entry);
        if (_order.Count > EntriesAtMost)
            _known.Remove(_order.Dequeue());
        return true;
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(_key);
}
