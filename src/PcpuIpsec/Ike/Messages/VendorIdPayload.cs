namespace PcpuIpsec.Ike.Messages;

/*
  Vendor ID (RFC 7296 §3.12)

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                        Vendor ID (VID)                        ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
internal sealed record VendorIdPayload(byte[] Data) : Payload(PayloadType.V)
{
    internal static VendorIdPayload Parse(ref PayloadReader reader) => new(reader.Rest());

    internal override int BodyLength() => Data.Length;

    internal override void WriteBody(ref PayloadWriter writer) => writer.Bytes(Data);
}
