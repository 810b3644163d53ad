namespace PcpuIpsec.Ike.Crypto;

/// <summary>
/// Protection of one direction with keys set once: the SK payload of IKE (RFC 7296 §3.14, RFC 5282) and ESP
/// (RFC 4303, RFC 4106, RFC 7634). Not safe for two threads at a time; a worker that shares an SA makes its own.
/// </summary>
internal abstract class PacketCipher : IDisposable
{
    /// <summary>Length of the IV that travels in the packet: 8 for AEADs, 16 for AES-CBC, 0 for ENCR_NULL.</summary>
    public abstract int IvLength { get; }

    /// <summary>Length of the integrity check value in bytes.</summary>
    public abstract int IcvLength { get; }

    /// <summary>What the text's length must be a multiple of: 16 for AES-CBC, else 1.</summary>
    public abstract int BlockSize { get; }

    /// <summary>True where encryption and integrity are one (the trailer is then not used).</summary>
    public abstract bool IsAead { get; }

    /// <summary>True where IVs must be unpredictable (AES-CBC) and not merely unique.</summary>
    public abstract bool NeedsRandomIv { get; }

    /// <summary>Encrypts <paramref name="text"/> in place and writes the ICV.</summary>
    /// <param name="associated">Authenticated first: for AEADs the AAD; for separate integrity what stands before the IV.</param>
    /// <param name="iv">The IV as it travels, without the salt.</param>
    /// <param name="text">Plaintext with padding; becomes the ciphertext.</param>
    /// <param name="trailer">Authenticated last with separate integrity (the high half of an ESN, RFC 4303 §2.2.1); else empty.</param>
    /// <param name="icv">Receives <see cref="IcvLength"/> bytes.</param>
    public abstract void Seal(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, Span<byte> icv);

    /// <summary>Checks the ICV in constant time and, where it is right, decrypts in place.</summary>
    /// <returns>False where the ICV is wrong; the text is then unusable.</returns>
    public abstract bool TryOpen(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, ReadOnlySpan<byte> icv);

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Every caller lays its packets out by the properties above; one that does not is broken.</summary>
    protected void CheckLengths(ReadOnlySpan<byte> text, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> icv)
    {
        if (iv.Length != IvLength)
            throw new ArgumentException($"The IV has {iv.Length} bytes; {IvLength} are needed.", nameof(iv));
        if (icv.Length != IcvLength)
            throw new ArgumentException($"The ICV has {icv.Length} bytes; {IcvLength} are needed.", nameof(icv));
        if (text.Length % BlockSize != 0)
            throw new ArgumentException($"The text has {text.Length} bytes; a multiple of {BlockSize} is needed.", nameof(text));
    }
}
