using System.Security.Cryptography;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>
/// AES-GCM with a 16-byte ICV (RFC 4106, RFC 5282) and ChaCha20-Poly1305 (RFC 7634). Both have a nonce of 12 bytes: the salt,
/// which stays with the key, and the IV, which travels. The key is set once; a packet costs an IV, not a key schedule.
/// </summary>
internal sealed unsafe class AeadCipher : PacketCipher
{
    private const int TagLength = 16;
    private const int NonceLength = 12;

    private readonly LibCrypto.CipherContext _context;
    private readonly Secret _salt;

    public AeadCipher(string algorithm, ReadOnlySpan<byte> keyAndSalt)
    {
        _context = LibCrypto.CipherContext.Create(algorithm, keyAndSalt[..^Algorithms.SaltLength], encrypt: true);
        _salt = Secret.CopyOf(keyAndSalt[^Algorithms.SaltLength..]);
    }

    public override int IvLength => NonceLength - Algorithms.SaltLength;

    public override int IcvLength => TagLength;

    public override int BlockSize => 1;

    public override bool IsAead => true;

    public override bool NeedsRandomIv => false;

    public override void Seal(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, Span<byte> icv)
    {
        CheckLengths(text, iv, icv);
        using HeldHandle held = new(_context);
        fixed (byte* tag = icv)
        {
            if (!Process(held.Pointer, encrypt: true, associated, iv, text)
                || !Finish(held.Pointer)
                || LibCrypto.EVP_CIPHER_CTX_ctrl(held.Pointer, LibCrypto.EVP_CTRL_AEAD_GET_TAG, TagLength, tag) != 1)
                throw LibCrypto.Failure(nameof(Seal));
        }
    }

    public override bool TryOpen(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, ReadOnlySpan<byte> icv)
    {
        CheckLengths(text, iv, icv);
        using HeldHandle held = new(_context);
        fixed (byte* tag = icv)
        {
            if (!Process(held.Pointer, encrypt: false, associated, iv, text)
                || LibCrypto.EVP_CIPHER_CTX_ctrl(held.Pointer, LibCrypto.EVP_CTRL_AEAD_SET_TAG, TagLength, tag) != 1)
                throw LibCrypto.Failure(nameof(TryOpen));
        }

        if (Finish(held.Pointer))
            return true;

        // The library decrypts as it authenticates: what it wrote must not be seen (RFC 5116 §2.2).
        CryptographicOperations.ZeroMemory(text);
        LibCrypto.ERR_clear_error();
        return false;
    }

    public override void Dispose()
    {
        _context.Dispose();
        _salt.Dispose();
    }

    private bool Process(nint context, bool encrypt, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text)
    {
        byte* nonce = stackalloc byte[NonceLength];
        _salt.Span.CopyTo(new Span<byte>(nonce, NonceLength));
        iv.CopyTo(new Span<byte>(nonce + Algorithms.SaltLength, NonceLength - Algorithms.SaltLength));

        int written;
        fixed (byte* associatedPointer = associated, textPointer = text)
        {
            // An empty span has no address, and a text without address would be taken for associated data.
            return LibCrypto.EVP_CipherInit_ex2(context, 0, null, nonce, encrypt ? 1 : 0, 0) == 1
                && (associated.IsEmpty || LibCrypto.EVP_CipherUpdate(context, null, &written, associatedPointer, associated.Length) == 1)
                && (text.IsEmpty || LibCrypto.EVP_CipherUpdate(context, textPointer, &written, textPointer, text.Length) == 1);
        }
    }

    private static bool Finish(nint context)
    {
        // Neither cipher has anything left to write, but the library wants an address.
        byte* nothing = stackalloc byte[TagLength];
        int written;
        return LibCrypto.EVP_CipherFinal_ex(context, nothing, &written) == 1;
    }
}
