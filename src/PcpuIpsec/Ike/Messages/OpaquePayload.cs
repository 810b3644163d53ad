namespace PcpuIpsec.Ike.Messages;

/// <summary>A payload of RFC 7296 that this implementation does not interpret (CERT, CERTREQ, CP, EAP).</summary>
internal sealed record OpaquePayload(PayloadType Type, bool Critical, byte[] Data) : Payload(Type)
{
    internal static OpaquePayload Parse(PayloadType type, bool critical, ref PayloadReader reader) => new(type, critical, reader.Rest());

    internal override int BodyLength() => Data.Length;

    internal override void WriteBody(ref PayloadWriter writer) => writer.Bytes(Data);
}
