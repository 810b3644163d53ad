using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>Makes the cipher for a pair of algorithms.</summary>
internal static class PacketCiphers
{
    public static PacketCipher Create(EncryptionAlgorithm encryption, ReadOnlySpan<byte> encryptionKey, IntegrityAlgorithm integrity, ReadOnlySpan<byte> integrityKey)
        => throw Algorithms.Unavailable(encryption);
}
