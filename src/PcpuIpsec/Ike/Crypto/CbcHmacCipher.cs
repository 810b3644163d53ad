using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>AES-CBC (RFC 3602), then an HMAC over what it gave: the ICV is checked before anything is decrypted.</summary>
internal sealed unsafe class CbcHmacCipher : PacketCipher
{
    private const int Block = 16;

    // One each, since AES has different key schedules for the two directions.
    private readonly LibCrypto.CipherContext _encryption;
    private readonly LibCrypto.CipherContext _decryption;
    private readonly Hmac _hmac;

    public CbcHmacCipher(string algorithm, ReadOnlySpan<byte> encryptionKey, IntegrityAlgorithm integrity, ReadOnlySpan<byte> integrityKey)
    {
        _encryption = LibCrypto.CipherContext.Create(algorithm, encryptionKey, encrypt: true);
        _decryption = LibCrypto.CipherContext.Create(algorithm, encryptionKey, encrypt: false);
        _hmac = new Hmac(integrity, integrityKey);
    }

    public override int IvLength => Block;

    public override int IcvLength => _hmac.IcvLength;

    public override int BlockSize => Block;

    public override bool IsAead => false;

    public override bool NeedsRandomIv => true;

    public override void Seal(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, Span<byte> icv)
    {
        CheckLengths(text, iv, icv);
        Process(_encryption, encrypt: true, iv, text);
        _hmac.Compute(associated, iv, text, trailer, icv);
    }

    public override bool TryOpen(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, ReadOnlySpan<byte> icv)
    {
        // The length is the sender's to choose, so a wrong one is a bad packet and not a caller's mistake.
        if (text.Length % Block != 0)
            return false;
        CheckLengths(text, iv, icv);
        if (!_hmac.Verify(associated, iv, text, trailer, icv))
            return false;
        Process(_decryption, encrypt: false, iv, text);
        return true;
    }

    public override void Dispose()
    {
        _encryption.Dispose();
        _decryption.Dispose();
        _hmac.Dispose();
    }

    private static void Process(LibCrypto.CipherContext context, bool encrypt, ReadOnlySpan<byte> iv, Span<byte> text)
    {
        using HeldHandle held = new(context);
        int written = 0;
        fixed (byte* ivPointer = iv, textPointer = text)
        {
            if (LibCrypto.EVP_CipherInit_ex2(held.Pointer, 0, null, ivPointer, encrypt ? 1 : 0, 0) != 1
                || (!text.IsEmpty && LibCrypto.EVP_CipherUpdate(held.Pointer, textPointer, &written, textPointer, text.Length) != 1)
                || written != text.Length)
                throw LibCrypto.Failure(encrypt ? nameof(Seal) : nameof(TryOpen));
        }
    }
}
