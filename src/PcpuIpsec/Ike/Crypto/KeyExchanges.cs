using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>Makes key pairs for the key exchange methods.</summary>
internal static class KeyExchanges
{
    public static KeyPair Generate(KeyExchangeMethod method) => throw Algorithms.Unavailable(method);

    public static bool IsSupported(KeyExchangeMethod method) => PublicValueLength(method) > 0;

    public static int PublicValueLength(KeyExchangeMethod method) => method switch
    {
        KeyExchangeMethod.MODP_2048 => 256,
        KeyExchangeMethod.MODP_3072 => 384,
        KeyExchangeMethod.MODP_4096 => 512,
        KeyExchangeMethod.ECP_256 => 64,
        KeyExchangeMethod.ECP_384 => 96,
        KeyExchangeMethod.ECP_521 => 132,
        KeyExchangeMethod.CURVE25519 => 32,
        KeyExchangeMethod.CURVE448 => 56,
        _ => 0,
    };
}
