using System.Security.Cryptography;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Auth;

/// <summary>The AUTH payload's data with a pre-shared key (RFC 7296 §2.15).</summary>
internal static class PreSharedKey
{
    /// <summary>17 ASCII characters, not terminated.</summary>
    private static ReadOnlySpan<byte> KeyPad => "Key Pad for IKEv2"u8;

    /// <summary>AUTH = prf(prf(Shared Secret, "Key Pad for IKEv2"), SignedOctets).</summary>
    public static byte[] Compute(PseudorandomFunction prf, Secret psk, ReadOnlySpan<byte> signedOctets)
    {
        int length = Algorithms.OutputLength(prf);
        Span<byte> padded = stackalloc byte[length];
        Prf.Compute(prf, psk.Span, KeyPad, padded);
        byte[] auth = new byte[length];
        Prf.Compute(prf, padded, signedOctets, auth);
        CryptographicOperations.ZeroMemory(padded);
        return auth;
    }

    /// <summary>Compares the peer's AUTH data with what it must be, in time that does not depend on where they differ.</summary>
    public static bool Verify(PseudorandomFunction prf, Secret psk, ReadOnlySpan<byte> signedOctets, ReadOnlySpan<byte> auth)
    {
        byte[] expected = Compute(prf, psk, signedOctets);
        bool equal = CryptographicOperations.FixedTimeEquals(expected, auth);
        CryptographicOperations.ZeroMemory(expected);
        return equal;
    }
}
