namespace PcpuIpsec.Ike.Messages;

/*
  Identification, IDi and IDr (RFC 7296 §3.5)

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |   ID Type     |                 RESERVED                      |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                   Identification Data                         ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
internal sealed record IdPayload(PayloadType Type, IkeIdentity Identity) : Payload(Type)
{
    internal static IdPayload Parse(PayloadType type, ref PayloadReader reader)
    {
        var idType = (IdType)reader.U8();
        reader.Skip(3);
        IkeIdentity identity = new(idType, reader.Rest());
        reader.Check(identity.Validate());
        return new IdPayload(type, identity);
    }

    internal override int BodyLength() => 4 + Identity.Data.Length;

    internal override void WriteBody(ref PayloadWriter writer)
    {
        writer.U8((byte)Identity.Type);
        writer.Reserved(3);
        writer.Bytes(Identity.Data);
    }
}
