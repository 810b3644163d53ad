namespace PcpuIpsec.Ike.Proposals;

/// <summary>Transforms as logs show them, and what one needs to know of an algorithm to combine it.</summary>
internal static class TransformNames
{
    /// <summary>True where the cipher protects integrity itself, so that no integrity algorithm may be negotiated beside it (RFC 7296 §3.3).</summary>
    public static bool IsAead(this EncryptionAlgorithm encryption)
        => encryption is EncryptionAlgorithm.ENCR_AES_GCM_16 or EncryptionAlgorithm.ENCR_CHACHA20_POLY1305;

    /// <summary>The transform in IANA's name without the prefix, e.g. AES_GCM_16_256, CURVE25519; the numbers where there is none.</summary>
    public static string ToText(this Transform transform)
    {
        string name = transform.Type switch
        {
            TransformType.ENCR => Name((EncryptionAlgorithm)transform.Id, "ENCR_"),
            TransformType.PRF => Name((PseudorandomFunction)transform.Id, ""),
            TransformType.INTEG => Name((IntegrityAlgorithm)transform.Id, "AUTH_"),
            TransformType.KE => Name((KeyExchangeMethod)transform.Id, ""),
            TransformType.ESN => transform.Id switch { 0 => "NO_ESN", 1 => "ESN", _ => $"ESN({transform.Id})" },
            _ => $"TYPE{(byte)transform.Type}({transform.Id})",
        };
        return $"{name}{(transform.KeyBits is { } bits ? $"_{bits}" : "")}{(transform.Unusable ? "(attributes unknown)" : "")}";
    }

    /// <summary>A proposal on one line, e.g. ESP:AES_GCM_16_128/AES_GCM_16_256/ESN.</summary>
    public static string ToText(this Proposal proposal)
        => $"{(Enum.IsDefined(proposal.Protocol) ? proposal.Protocol.ToString() : $"protocol {(byte)proposal.Protocol}")}:{string.Join('/', proposal.Transforms.Select(ToText))}";

    /// <summary>What a peer offered, or we did, for the log line beside NO_PROPOSAL_CHOSEN.</summary>
    public static string ToText(this IEnumerable<Proposal> proposals) => string.Join(", ", proposals.Select(ToText));

    private static string Name<T>(T value, string prefix)
        where T : struct, Enum
    {
        string? name = Enum.GetName(value);
        if (name is null)
            return $"{typeof(T).Name}({Convert.ToUInt16(value, System.Globalization.CultureInfo.InvariantCulture)})";
        return name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name;
    }
}
