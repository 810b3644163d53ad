using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>A key pair in libcrypto. What the peer sends is checked here, as RFC 6989 and RFC 8031 want, before it is used.</summary>
internal sealed class EvpKeyPair : KeyPair
{
    /// <summary>What the library puts before the coordinates of a point that is not compressed (SEC 1 §2.3.3); IKE has the coordinates alone.</summary>
    private const byte UncompressedPoint = 4;

    private readonly KeyExchangeGroup _group;
    private readonly LibCrypto.PublicKeyHandle _key;
    private readonly byte[] _publicValue;

    private EvpKeyPair(KeyExchangeGroup group, LibCrypto.PublicKeyHandle key)
    {
        _group = group;
        _key = key;
        byte[] encoded = LibCrypto.EncodedPublicKey(key);
        _publicValue = group.Kind == KeyExchangeKind.Curve ? encoded[1..] : encoded;
        if (_publicValue.Length != group.PublicLength)
        {
            key.Dispose();
            throw new PcpuIpsecException(PcpuIpsecError.CryptoFailure, $"A public value of {group.Method} has {_publicValue.Length} bytes; {group.PublicLength} are needed.");
        }
    }

    public override KeyExchangeMethod Method => _group.Method;

    public override ReadOnlyMemory<byte> PublicValue => _publicValue;

    public static EvpKeyPair Generate(KeyExchangeGroup group) => new(group, LibCrypto.GenerateKey(group.Type, group.Name));

    public static EvpKeyPair Import(KeyExchangeGroup group, ReadOnlySpan<byte> der) => new(group, LibCrypto.ImportPrivateKey(der));

    public override Secret Derive(ReadOnlySpan<byte> peerPublicValue)
    {
        if (peerPublicValue.Length != _group.PublicLength)
            throw Invalid($"has {peerPublicValue.Length} bytes; {_group.PublicLength} are needed");

        using LibCrypto.PublicKeyHandle peer = PeerKey(peerPublicValue);
        Secret secret = Secret.Create(_group.SecretLength, out Span<byte> bytes);
        // The library refuses an agreement whose result is zero (RFC 8031 §5), but old and patched ones might not.
        if (LibCrypto.TryDerive(_key, peer, pad: _group.Kind == KeyExchangeKind.FiniteField, bytes) && bytes.ContainsAnyExcept((byte)0))
            return secret;

        secret.Dispose();
        throw Invalid("gives a shared secret that is not allowed");
    }

    public override void Dispose() => _key.Dispose();

    private LibCrypto.PublicKeyHandle PeerKey(ReadOnlySpan<byte> value)
    {
        switch (_group.Kind)
        {
            case KeyExchangeKind.FiniteField:
                CheckRange(value);
                return LibCrypto.PeerKey(_key, value) ?? throw Invalid("is not in the group");
            case KeyExchangeKind.Curve:
                return LibCrypto.PeerKey(_key, [UncompressedPoint, .. value]) ?? throw Invalid("is not a point of the curve (RFC 6989 §2.3)");
            default:
                return LibCrypto.RawPeerKey(_group.Type, value);
        }
    }

    /// <summary>1 &lt; r &lt; p-1: with a safe prime nothing else needs checking (RFC 6989 §2.1).</summary>
    private void CheckRange(ReadOnlySpan<byte> value)
    {
        byte[] highest = LibCrypto.NumberParameter(_key, "p");
        highest[^1]--; // p is odd, so this is p-1 without a borrow.
        bool aboveOne = value[^1] > 1 || value[..^1].ContainsAnyExcept((byte)0);
        if (!aboveOne || value.SequenceCompareTo(highest) >= 0)
            throw Invalid("is not between 1 and p-1 (RFC 6989 §2.1)");
    }

    private PcpuIpsecException Invalid(string what)
        => new(PcpuIpsecError.ProtocolViolation, $"The peer's public value for {_group.Method} {what}.");
}
