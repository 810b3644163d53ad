namespace PcpuIpsec.Ike.Messages;

/*
  Nonce (RFC 7296 §3.9)

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                            Nonce Data                         ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
internal sealed record NoncePayload(byte[] Data) : Payload(PayloadType.Nonce)
{
    public const int MinLength = 16;
    public const int MaxLength = 256;

    internal static NoncePayload Parse(ref PayloadReader reader)
    {
        NoncePayload payload = new(reader.Rest());
        reader.Check(payload.Validate());
        return payload;
    }

    private string? Validate()
        => Data.Length is < MinLength or > MaxLength ? $"a nonce of {Data.Length} bytes; {MinLength} to {MaxLength} are allowed" : null;

    internal override int BodyLength() => Data.Length;

    internal override void WriteBody(ref PayloadWriter writer) => writer.Bytes(Data);
}
