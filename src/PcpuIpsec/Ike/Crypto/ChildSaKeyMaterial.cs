using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>The keys of a Child SA's two directions (RFC 7296 §2.17). "I" is the initiator of the exchange that made it.</summary>
internal sealed class ChildSaKeyMaterial : IDisposable
{
    private ChildSaKeyMaterial(Secret encryptionI, Secret integrityI, Secret encryptionR, Secret integrityR)
    {
        EncryptionI = encryptionI;
        IntegrityI = integrityI;
        EncryptionR = encryptionR;
        IntegrityR = integrityR;
    }

    /// <summary>For packets from the initiator, an AEAD's salt behind the key.</summary>
    public Secret EncryptionI { get; }

    /// <summary>For packets from the initiator; empty with an AEAD.</summary>
    public Secret IntegrityI { get; }

    /// <summary>For packets from the responder, an AEAD's salt behind the key.</summary>
    public Secret EncryptionR { get; }

    /// <summary>For packets from the responder; empty with an AEAD.</summary>
    public Secret IntegrityR { get; }

    /// <summary>
    /// KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr). The initiator's keys come first, and in each direction encryption before integrity.
    /// </summary>
    /// <param name="esp">What was negotiated for the Child SA.</param>
    /// <param name="ikePrf">The IKE SA's PRF.</param>
    /// <param name="skD">The IKE SA's SK_d.</param>
    /// <param name="sharedSecretOrEmpty">g^ir where the exchange had KE payloads, else empty.</param>
    /// <param name="ni">The initiator's nonce: of CREATE_CHILD_SA, or of IKE_SA_INIT for the first Child SA.</param>
    /// <param name="nr">The responder's nonce, likewise.</param>
    public static ChildSaKeyMaterial Derive(
        ChosenSuite esp,
        PseudorandomFunction ikePrf,
        Secret skD,
        ReadOnlySpan<byte> sharedSecretOrEmpty,
        ReadOnlySpan<byte> ni,
        ReadOnlySpan<byte> nr)
    {
        int encryptionLength = Algorithms.KeyLength(esp.Encryption, esp.KeyBits);
        int integrityLength = esp.Encryption.IsAead() ? 0 : Algorithms.KeyLength(esp.Integrity);

        using Secret seed = Secret.Create(sharedSecretOrEmpty.Length + ni.Length + nr.Length, out Span<byte> bytes);
        sharedSecretOrEmpty.CopyTo(bytes);
        ni.CopyTo(bytes[sharedSecretOrEmpty.Length..]);
        nr.CopyTo(bytes[(sharedSecretOrEmpty.Length + ni.Length)..]);

        using Secret material = Prf.Plus(ikePrf, skD.Span, seed.Span, 2 * (encryptionLength + integrityLength));
        SecretReader reader = new(material);
        Secret encryptionI = reader.Take(encryptionLength);
        Secret integrityI = reader.Take(integrityLength);
        Secret encryptionR = reader.Take(encryptionLength);
        Secret integrityR = reader.Take(integrityLength);
        return new ChildSaKeyMaterial(encryptionI, integrityI, encryptionR, integrityR);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        EncryptionI.Dispose();
        IntegrityI.Dispose();
        EncryptionR.Dispose();
        IntegrityR.Dispose();
    }
}
