namespace PcpuIpsec.Ike.Messages;

/// <summary>One payload of a message, decoded (RFC 7296 §3.2). Byte arrays are owned by the payload.</summary>
internal abstract record Payload(PayloadType Type)
{
    /// <summary>Bytes behind the generic header.</summary>
    internal abstract int BodyLength();

    /// <summary>Writes what stands behind the generic header, in the order of the wire.</summary>
    internal abstract void WriteBody(ref PayloadWriter writer);
}
