using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>Makes key pairs for the key exchange methods.</summary>
internal static class KeyExchanges
{
    /// <summary>A fresh key pair.</summary>
    /// <exception cref="PcpuIpsecException">The method or the library is not available.</exception>
    public static KeyPair Generate(KeyExchangeMethod method) => EvpKeyPair.Generate(Group(method));

    /// <summary>True where <see cref="Generate"/> knows the method.</summary>
    public static bool IsSupported(KeyExchangeMethod method) => KeyExchangeGroup.Find(method) is not null;

    /// <summary>The length of a public value on the wire: a KE payload of any other length is refused.</summary>
    public static int PublicValueLength(KeyExchangeMethod method) => Group(method).PublicLength;

    /// <summary>A key pair with a private key from outside, in DER: for checks against published vectors.</summary>
    internal static KeyPair ImportPrivateKey(KeyExchangeMethod method, ReadOnlySpan<byte> der) => EvpKeyPair.Import(Group(method), der);

    private static KeyExchangeGroup Group(KeyExchangeMethod method) => KeyExchangeGroup.Find(method) ?? throw Algorithms.Unavailable(method);
}
