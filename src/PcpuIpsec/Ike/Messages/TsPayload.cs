namespace PcpuIpsec.Ike.Messages;

/*
  Traffic Selector, TSi and TSr (RFC 7296 §3.13)

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   | Number of TSs |                 RESERVED                      |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                       <Traffic Selectors>                     ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
internal sealed record TsPayload(PayloadType Type, IReadOnlyList<TrafficSelector> Selectors) : Payload(Type)
{
    internal static TsPayload Parse(PayloadType type, ref PayloadReader reader)
    {
        int count = reader.U8();
        reader.Skip(3);
        if (count == 0)
            reader.Fail("no traffic selector");

        List<TrafficSelector> selectors = new(count);
        for (int i = 0; i < count && reader.Error is null; i++)
        {
            // Of a type that we do not know: not ours to accept, so it is narrowed away (§2.9).
            if (TrafficSelector.Read(ref reader) is { } selector)
                selectors.Add(selector);
        }

        return new TsPayload(type, selectors);
    }

    internal override int BodyLength() => 4 + Selectors.Sum(selector => selector.WireLength);

    internal override void WriteBody(ref PayloadWriter writer)
    {
        writer.U8(checked((byte)Selectors.Count));
        writer.Reserved(3);
        foreach (TrafficSelector selector in Selectors)
            selector.Write(ref writer);
    }
}
