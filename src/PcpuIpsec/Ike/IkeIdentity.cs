using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike;

/// <summary>An identity as IDi and IDr carry it (RFC 7296 §3.5): its type and its bytes.</summary>
internal sealed record IkeIdentity(IdType Type, byte[] Data)
{
    /// <summary>Reads an identity as users write it.</summary>
    public static IkeIdentity Parse(string text) => throw new NotSupportedException();

    /// <summary>What is wrong with the bytes for the type, or null.</summary>
    public string? Validate() => throw new NotSupportedException();

    /// <summary>Equal where type and bytes are.</summary>
    public bool Equals(IkeIdentity? other) => other is not null && Type == other.Type && Data.AsSpan().SequenceEqual(other.Data);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.Add(Type);
        hash.AddBytes(Data);
        return hash.ToHashCode();
    }
}
