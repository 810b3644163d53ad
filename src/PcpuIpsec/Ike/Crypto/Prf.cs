using System.Security.Cryptography;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>The negotiated pseudorandom function and what RFC 7296 §2.13 makes of it. All of them are HMACs: a key of any length is taken as it is.</summary>
internal static class Prf
{
    /// <summary>The counter of prf+ is one octet.</summary>
    private const int MaxBlocks = 255;

    /// <summary>prf(key, data).</summary>
    public static void Compute(PseudorandomFunction prf, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> destination)
        => Compute(prf, key, data, [], [], destination);

    /// <summary>prf(key, first | second).</summary>
    public static void Compute(PseudorandomFunction prf, ReadOnlySpan<byte> key, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> destination)
        => Compute(prf, key, first, second, [], destination);

    /// <summary>prf(key, first | second | third).</summary>
    public static void Compute(PseudorandomFunction prf, ReadOnlySpan<byte> key, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third, Span<byte> destination)
    {
        using IncrementalHash hmac = IncrementalHash.CreateHMAC(HashOf(prf), key);
        hmac.AppendData(first);
        hmac.AppendData(second);
        hmac.AppendData(third);
        hmac.GetHashAndReset(destination);
    }

    /// <summary>
    /// prf+(key, seed) = T1 | T2 | … with T1 = prf(key, seed | 0x01) and Tn = prf(key, Tn-1 | seed | n), cut to the length.
    /// </summary>
    /// <exception cref="PcpuIpsecException">More than 255 times the PRF's output was asked for, which the counter does not allow.</exception>
    public static Secret Plus(PseudorandomFunction prf, ReadOnlySpan<byte> key, ReadOnlySpan<byte> seed, int length)
    {
        int block = Algorithms.OutputLength(prf);
        if (length < 0 || length > MaxBlocks * block)
            throw new PcpuIpsecException(PcpuIpsecError.CryptoFailure, $"prf+ of {prf} cannot give {length} bytes; 0 to {MaxBlocks * block} are allowed (RFC 7296 §2.13).");

        Secret output = Secret.Create(length, out Span<byte> bytes);
        Span<byte> whole = stackalloc byte[block];
        using IncrementalHash hmac = IncrementalHash.CreateHMAC(HashOf(prf), key);
        for (int offset = 0, counter = 1; offset < length; offset += block, counter++)
        {
            if (offset > 0)
                hmac.AppendData(bytes.Slice(offset - block, block));
            hmac.AppendData(seed);
            hmac.AppendData([(byte)counter]);
            hmac.GetHashAndReset(whole);
            whole[..Math.Min(block, length - offset)].CopyTo(bytes[offset..]);
        }

        CryptographicOperations.ZeroMemory(whole);
        return output;
    }

    private static HashAlgorithmName HashOf(PseudorandomFunction prf) => prf switch
    {
        PseudorandomFunction.PRF_HMAC_SHA2_256 => HashAlgorithmName.SHA256,
        PseudorandomFunction.PRF_HMAC_SHA2_384 => HashAlgorithmName.SHA384,
        PseudorandomFunction.PRF_HMAC_SHA2_512 => HashAlgorithmName.SHA512,
        _ => throw Algorithms.Unavailable(prf),
    };
}
