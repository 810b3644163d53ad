using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>How public values of a kind of group are checked and encoded.</summary>
internal enum KeyExchangeKind
{
    /// <summary>A number below a safe prime (RFC 3526, RFC 6989 §2.1).</summary>
    FiniteField,

    /// <summary>A point of a curve with cofactor 1: its two coordinates (RFC 5903, RFC 6989 §2.3).</summary>
    Curve,

    /// <summary>X25519 and X448: any string of the right length (RFC 8031, RFC 7748).</summary>
    Montgomery,
}

/// <summary>One key exchange method: its names in libcrypto and its lengths in bytes.</summary>
/// <param name="Method">The method.</param>
/// <param name="Kind">The kind of group.</param>
/// <param name="Type">The key type's name in the library.</param>
/// <param name="Name">The group's name in the library, where the type has several.</param>
/// <param name="PublicLength">Length of the KE payload's data.</param>
/// <param name="SecretLength">Length of the shared secret.</param>
internal sealed record KeyExchangeGroup(KeyExchangeMethod Method, KeyExchangeKind Kind, string Type, string? Name, int PublicLength, int SecretLength)
{
    private static readonly KeyExchangeGroup[] _all =
    [
        new(KeyExchangeMethod.MODP_2048, KeyExchangeKind.FiniteField, "DH", "modp_2048", 256, 256),
        new(KeyExchangeMethod.MODP_3072, KeyExchangeKind.FiniteField, "DH", "modp_3072", 384, 384),
        new(KeyExchangeMethod.MODP_4096, KeyExchangeKind.FiniteField, "DH", "modp_4096", 512, 512),
        new(KeyExchangeMethod.ECP_256, KeyExchangeKind.Curve, "EC", "P-256", 64, 32),
        new(KeyExchangeMethod.ECP_384, KeyExchangeKind.Curve, "EC", "P-384", 96, 48),
        new(KeyExchangeMethod.ECP_521, KeyExchangeKind.Curve, "EC", "P-521", 132, 66),
        new(KeyExchangeMethod.CURVE25519, KeyExchangeKind.Montgomery, "X25519", null, 32, 32),
        new(KeyExchangeMethod.CURVE448, KeyExchangeKind.Montgomery, "X448", null, 56, 56),
    ];

    /// <summary>The group of a method; null where there is none.</summary>
    public static KeyExchangeGroup? Find(KeyExchangeMethod method) => Array.Find(_all, group => group.Method == method);
}
