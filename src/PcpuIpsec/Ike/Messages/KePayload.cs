using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Messages;

/*
  Key Exchange (RFC 7296 §3.4)

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |   Diffie-Hellman Group Num    |           RESERVED            |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                       Key Exchange Data                       ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

  Whether the data has the method's length is for the key agreement to say: an unknown method must survive here, so that
  INVALID_KE_PAYLOAD can be answered.
*/
internal sealed record KePayload(KeyExchangeMethod Method, byte[] Data) : Payload(PayloadType.KE)
{
    internal static KePayload Parse(ref PayloadReader reader)
    {
        var method = (KeyExchangeMethod)reader.U16();
        reader.Skip(2);
        KePayload payload = new(method, reader.Rest());
        reader.Check(payload.Validate());
        return payload;
    }

    private string? Validate() => Data.Length == 0 ? "no key exchange data" : null;

    internal override int BodyLength() => 4 + Data.Length;

    internal override void WriteBody(ref PayloadWriter writer)
    {
        writer.U16((ushort)Method);
        writer.Reserved(2);
        writer.Bytes(Data);
    }
}
