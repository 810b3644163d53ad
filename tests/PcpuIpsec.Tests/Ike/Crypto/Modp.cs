using System.Numerics;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Crypto;

/// <summary>The primes of RFC 3526 from their definition: p = 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + k).</summary>
internal static class Modp
{
    public static BigInteger Prime(KeyExchangeMethod method)
    {
        (int bits, int k) = method switch
        {
            KeyExchangeMethod.MODP_2048 => (2048, 124476),
            KeyExchangeMethod.MODP_3072 => (3072, 1690314),
            KeyExchangeMethod.MODP_4096 => (4096, 240904),
            _ => throw new ArgumentOutOfRangeException(nameof(method)),
        };
        return BigInteger.Pow(2, bits) - BigInteger.Pow(2, bits - 64) - 1 + (BigInteger.Pow(2, 64) * (Pi(bits - 130) + k));
    }

    /// <summary>A number with the leading zeroes that its place on the wire has.</summary>
    public static byte[] Bytes(BigInteger number, int length)
    {
        byte[] bytes = number.ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[length - bytes.Length], .. bytes];
    }

    /// <summary>[2^bits pi] by Machin's formula, with guard bits.</summary>
    private static BigInteger Pi(int bits)
    {
        const int Guard = 64;
        BigInteger one = BigInteger.One << (bits + Guard);
        return ((16 * ArcTangentOfInverse(5, one)) - (4 * ArcTangentOfInverse(239, one))) >> Guard;
    }

    private static BigInteger ArcTangentOfInverse(int x, BigInteger one)
    {
        BigInteger power = one / x;
        BigInteger sum = power;
        for (int n = 3; !power.IsZero; n += 2)
        {
            power /= -(x * x);
            sum += power / n;
        }

        return sum;
    }
}
