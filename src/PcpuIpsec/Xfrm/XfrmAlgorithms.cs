using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>The suites by the kernel's names, and their keys' way into a request: written once, straight into its buffer.</summary>
internal static class XfrmAlgorithms
{
    /// <summary>ICV of both AEADs, in bits.</summary>
    private const uint AeadIcvBits = 128;

    /// <summary>Writes the algorithm attributes of a suite with its keys.</summary>
    public static void Write(ref NetlinkRequest request, ChosenSuite suite, ReadOnlySpan<byte> encryptionKey, ReadOnlySpan<byte> integrityKey)
    {
        string name = EncryptionName(suite.Encryption);
        RequireLength(suite, "encryption key", encryptionKey.Length, EncryptionKeyLength(suite));
        if (suite.Encryption.IsAead())
        {
            RequireLength(suite, "integrity key", integrityKey.Length, 0);
            ref XfrmAlgoAead aead = ref Algorithm<XfrmAlgoAead>(ref request, XfrmAttribute.AlgAead, encryptionKey);
            SetName(ref aead.Name, name);
            aead.KeyBits = (uint)encryptionKey.Length * 8;
            aead.IcvBits = AeadIcvBits;
            return;
        }

        (string hmac, int keyLength, uint truncated) = Integrity(suite.Integrity);
        RequireLength(suite, "integrity key", integrityKey.Length, keyLength);
        ref XfrmAlgoAuth auth = ref Algorithm<XfrmAlgoAuth>(ref request, XfrmAttribute.AlgAuthTrunc, integrityKey);
        SetName(ref auth.Name, hmac);
        auth.KeyBits = (uint)integrityKey.Length * 8;
        auth.TruncatedBits = truncated;

        ref XfrmAlgo cipher = ref Algorithm<XfrmAlgo>(ref request, XfrmAttribute.AlgCrypt, encryptionKey);
        SetName(ref cipher.Name, name);
        cipher.KeyBits = (uint)encryptionKey.Length * 8;
    }

    /// <summary>The kernel's name of a cipher, as /proc/crypto and dumps show it.</summary>
    public static string EncryptionName(EncryptionAlgorithm encryption) => encryption switch
    {
        EncryptionAlgorithm.ENCR_AES_GCM_16 => "rfc4106(gcm(aes))",
        EncryptionAlgorithm.ENCR_CHACHA20_POLY1305 => "rfc7539esp(chacha20,poly1305)",
        EncryptionAlgorithm.ENCR_AES_CBC => "cbc(aes)",
        EncryptionAlgorithm.ENCR_NULL => "ecb(cipher_null)",
        _ => throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"encryption = {encryption}: the kernel plane has AES-GCM-16, ChaCha20-Poly1305, AES-CBC and NULL."),
    };

    /// <summary>The kernel's name of an integrity algorithm, its key's length in bytes and the ICV's in bits (RFC 4868).</summary>
    public static (string Name, int KeyLength, uint TruncatedBits) Integrity(IntegrityAlgorithm integrity) => integrity switch
    {
        IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128 => ("hmac(sha256)", 32, 128),
        IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192 => ("hmac(sha384)", 48, 192),
        IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256 => ("hmac(sha512)", 64, 256),
        _ => throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"integrity = {integrity}: beside a cipher that is no AEAD the kernel plane has HMAC-SHA2-256, 384 and 512."),
    };

    internal static string NameOf(in XfrmAlgorithmName name)
    {
        ReadOnlySpan<byte> bytes = name;
        int end = bytes.IndexOf((byte)0);
        return Encoding.ASCII.GetString(end < 0 ? bytes : bytes[..end]);
    }

    private static int EncryptionKeyLength(ChosenSuite suite)
    {
        const int SaltLength = 4;
        return suite.Encryption switch
        {
            EncryptionAlgorithm.ENCR_AES_GCM_16 => (suite.KeyBits / 8) + SaltLength, // RFC 4106 §8.1
            EncryptionAlgorithm.ENCR_CHACHA20_POLY1305 => 32 + SaltLength, // RFC 7634 §2
            EncryptionAlgorithm.ENCR_NULL => 0,
            _ => suite.KeyBits / 8,
        };
    }

    private static void RequireLength(ChosenSuite suite, string what, int length, int expected)
    {
        if (length != expected)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{what} of {suite}: {length} bytes were given, {expected} are needed.");
    }

    /// <summary>Header and key as one attribute; the header comes back to be filled in, before anything else is written.</summary>
    private static ref T Algorithm<T>(ref NetlinkRequest request, ushort type, ReadOnlySpan<byte> key) where T : unmanaged
    {
        int size = Unsafe.SizeOf<T>();
        Span<byte> space = request.Space(type, size + key.Length);
        key.CopyTo(space[size..]);
        return ref MemoryMarshal.AsRef<T>(space);
    }

    private static void SetName(ref XfrmAlgorithmName name, string value) => Encoding.ASCII.GetBytes(value, name);
}
