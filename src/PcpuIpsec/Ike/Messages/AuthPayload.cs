namespace PcpuIpsec.Ike.Messages;

/*
  Authentication (RFC 7296 §3.8)

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   | Auth Method   |                RESERVED                       |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                      Authentication Data                      ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
internal sealed record AuthPayload(AuthMethod Method, byte[] Data) : Payload(PayloadType.AUTH)
{
    internal static AuthPayload Parse(ref PayloadReader reader)
    {
        var method = (AuthMethod)reader.U8();
        reader.Skip(3);
        AuthPayload payload = new(method, reader.Rest());
        reader.Check(payload.Validate());
        return payload;
    }

    private string? Validate() => Data.Length == 0 ? "no authentication data" : null;

    internal override int BodyLength() => 4 + Data.Length;

    internal override void WriteBody(ref PayloadWriter writer)
    {
        writer.U8((byte)Method);
        writer.Reserved(3);
        writer.Bytes(Data);
    }
}
