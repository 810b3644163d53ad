using System.Security.Cryptography;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Tests.Ike.Messages;

/// <summary>AES-GCM by the runtime's own class, so that what seals here does not share code with what ships.</summary>
internal sealed class TestGcm(byte[] key, byte[] salt) : PacketCipher
{
    private readonly AesGcm _gcm = new(key, 16);

    public override int IvLength => 8;

    public override int IcvLength => 16;

    public override int BlockSize => 1;

    public override bool IsAead => true;

    public override bool NeedsRandomIv => false;

    public override void Seal(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, Span<byte> icv)
        => _gcm.Encrypt([.. salt, .. iv], text, text, icv, associated);

    public override bool TryOpen(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, ReadOnlySpan<byte> icv)
    {
        try
        {
            _gcm.Decrypt([.. salt, .. iv], text, icv, text, associated);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    public override void Dispose() => _gcm.Dispose();
}

/// <summary>AES-CBC with HMAC-SHA2-256-128, encrypt then MAC over everything from the header on.</summary>
internal sealed class TestCbc(byte[] key, byte[] integrityKey) : PacketCipher
{
    private readonly Aes _aes = Create(key);

    public override int IvLength => 16;

    public override int IcvLength => 16;

    public override int BlockSize => 16;

    public override bool IsAead => false;

    public override bool NeedsRandomIv => true;

    public override void Seal(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, Span<byte> icv)
    {
        _aes.EncryptCbc(text, iv, PaddingMode.None).CopyTo(text);
        Mac(associated, iv, text).CopyTo(icv);
    }

    public override bool TryOpen(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, Span<byte> text, ReadOnlySpan<byte> trailer, ReadOnlySpan<byte> icv)
    {
        if (!Mac(associated, iv, text).SequenceEqual(icv))
            return false;
        _aes.DecryptCbc(text, iv, PaddingMode.None).CopyTo(text);
        return true;
    }

    public override void Dispose() => _aes.Dispose();

    private ReadOnlySpan<byte> Mac(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> text)
        => HMACSHA256.HashData(integrityKey, (byte[])[.. associated, .. iv, .. text]).AsSpan(0, 16);

    private static Aes Create(byte[] key)
    {
        Aes aes = Aes.Create();
        aes.Key = key;
        return aes;
    }
}
