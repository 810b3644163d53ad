namespace PcpuIpsec.Ike.Crypto;

/// <summary>Takes keys off the front of key material, in the order in which an RFC lists them.</summary>
internal ref struct SecretReader(Secret material)
{
    private int _position;

    /// <summary>The next <paramref name="length"/> bytes as a secret of its own.</summary>
    public Secret Take(int length)
    {
        Secret part = material.Slice(_position, length);
        _position += length;
        return part;
    }
}
