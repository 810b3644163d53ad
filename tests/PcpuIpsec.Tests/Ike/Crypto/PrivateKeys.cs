using System.Formats.Asn1;
using System.Numerics;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Crypto;

/// <summary>PKCS #8 forms (RFC 5208, RFC 5915, RFC 8410) of the private keys that published vectors give as bare numbers.</summary>
internal static class PrivateKeys
{
    public static byte[] Der(KeyExchangeMethod method, byte[] key) => method switch
    {
        KeyExchangeMethod.CURVE25519 => Montgomery("1.3.101.110", key),
        KeyExchangeMethod.CURVE448 => Montgomery("1.3.101.111", key),
        KeyExchangeMethod.ECP_256 => Curve("1.2.840.10045.3.1.7", key),
        KeyExchangeMethod.ECP_384 => Curve("1.3.132.0.34", key),
        KeyExchangeMethod.ECP_521 => Curve("1.3.132.0.35", key),
        _ => FiniteField(Modp.Prime(method), new BigInteger(key, isUnsigned: true, isBigEndian: true)),
    };

    private static byte[] Montgomery(string oid, byte[] key) => Pkcs8(
        algorithm => algorithm.WriteObjectIdentifier(oid),
        privateKey => privateKey.WriteOctetString(key));

    private static byte[] Curve(string oid, byte[] key) => Pkcs8(
        algorithm =>
        {
            algorithm.WriteObjectIdentifier("1.2.840.10045.2.1");
            algorithm.WriteObjectIdentifier(oid);
        },
        privateKey =>
        {
            using (privateKey.PushSequence())
            {
                privateKey.WriteInteger(1);
                privateKey.WriteOctetString(key);
            }
        });

    private static byte[] FiniteField(BigInteger prime, BigInteger key) => Pkcs8(
        algorithm =>
        {
            algorithm.WriteObjectIdentifier("1.2.840.113549.1.3.1");
            using (algorithm.PushSequence())
            {
                algorithm.WriteInteger(prime);
                algorithm.WriteInteger(2);
            }
        },
        privateKey => privateKey.WriteInteger(key));

    private static byte[] Pkcs8(Action<AsnWriter> algorithm, Action<AsnWriter> privateKey)
    {
        AsnWriter writer = new(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(0);
            using (writer.PushSequence())
                algorithm(writer);
            using (writer.PushOctetString())
                privateKey(writer);
        }

        return writer.Encode();
    }
}
