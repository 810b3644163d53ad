using System.Security.Cryptography;

namespace PcpuIpsec;

/// <summary>
/// Key material: the only type that holds any. It prints as <c>[redacted]</c>, zeroes itself when disposed
/// and has nothing that a serializer would write.
/// </summary>
public sealed class Secret : IDisposable
{
    private byte[]? _bytes;

    private Secret(byte[] bytes) => _bytes = bytes;

    /// <summary>The length in bytes; 0 once disposed.</summary>
    internal int Length => _bytes?.Length ?? 0;

    /// <summary>The bytes.</summary>
    /// <exception cref="ObjectDisposedException">The secret was disposed, so its bytes are gone.</exception>
    internal ReadOnlySpan<byte> Span => _bytes ?? throw new ObjectDisposedException(nameof(Secret));

    /// <summary>Copies bytes into a secret; the caller still owns, and zeroes, its own copy.</summary>
    /// <param name="bytes">The bytes to copy; may be empty.</param>
    public static Secret CopyOf(ReadOnlySpan<byte> bytes)
    {
        Secret secret = Create(bytes.Length, out Span<byte> copy);
        bytes.CopyTo(copy);
        return secret;
    }

    /// <summary>Makes a secret of zeroes and lends its bytes to the maker, so that what is written there is never in two places.</summary>
    /// <param name="length">The length in bytes.</param>
    /// <param name="bytes">To be filled at once; a maker that fails disposes the secret.</param>
    internal static Secret Create(int length, out Span<byte> bytes)
    {
        // Pinned: the collector never moves it and so never leaves a copy behind.
        byte[] memory = GC.AllocateArray<byte>(length, pinned: true);
        bytes = memory;
        return new Secret(memory);
    }

    /// <summary>Compares in time that depends on the lengths alone.</summary>
    internal bool FixedTimeEquals(ReadOnlySpan<byte> other) => CryptographicOperations.FixedTimeEquals(Span, other);

    /// <summary>A part of this secret as a secret of its own.</summary>
    internal Secret Slice(int start, int length) => CopyOf(Span.Slice(start, length));

    /// <summary>Zeroes the bytes.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _bytes, null) is { } bytes)
            CryptographicOperations.ZeroMemory(bytes);
    }

    /// <summary>Always <c>[redacted]</c>.</summary>
    public override string ToString() => "[redacted]";
}
