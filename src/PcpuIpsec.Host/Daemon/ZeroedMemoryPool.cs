using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Memory for what comes and goes over the socket, keys among it: zeroed when it is given back.</summary>
internal sealed class ZeroedMemoryPool : MemoryPool<byte>
{
    private const int BlockLength = 4096;

    // 1 MB: what many connections took at once goes back to the runtime.
    private const int BlocksAtMost = 256;

    private readonly ConcurrentBag<byte[]> _blocks = [];

    public override int MaxBufferSize => BlockLength;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockLength);
        return new Block(this, _blocks.TryTake(out byte[]? block) ? block : GC.AllocateUninitializedArray<byte>(BlockLength, pinned: true));
    }

    protected override void Dispose(bool disposing) => _blocks.Clear();

    private void Return(byte[] block)
    {
        CryptographicOperations.ZeroMemory(block);
        if (_blocks.Count < BlocksAtMost)
            _blocks.Add(block);
    }

    /// <summary>For Kestrel.</summary>
    internal sealed class Factory : IMemoryPoolFactory<byte>
    {
        public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new ZeroedMemoryPool();
    }

    private sealed class Block(ZeroedMemoryPool pool, byte[] block) : IMemoryOwner<byte>
    {
        private byte[]? _block = block;

        public Memory<byte> Memory => _block ?? throw new ObjectDisposedException(nameof(ZeroedMemoryPool));

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _block, null) is { } given)
                pool.Return(given);
        }
    }
}
