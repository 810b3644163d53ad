namespace PcpuIpsec.Ike.Messages;

/*
  Delete (RFC 7296 §3.11); no SPIs where the protocol is IKE

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   | Protocol ID   |   SPI Size    |          Num of SPIs          |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~               Security Parameter Index(es) (SPI)              ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
internal sealed record DeletePayload(ProtocolId Protocol, IReadOnlyList<uint> Spis) : Payload(PayloadType.D)
{
    /// <summary>Bytes of an SPI of AH or ESP.</summary>
    public const int SpiSize = 4;

    internal static DeletePayload Parse(ref PayloadReader reader)
    {
        var protocol = (ProtocolId)reader.U8();
        int spiSize = reader.U8();
        int count = reader.U16();
        reader.Check(Validate(protocol, spiSize, count, reader.Remaining));

        List<uint> spis = new(reader.Remaining / SpiSize);
        while (reader.More)
            spis.Add(reader.U32());
        return new DeletePayload(protocol, spis);
    }

    private static string? Validate(ProtocolId protocol, int spiSize, int count, int length) => protocol switch
    {
        ProtocolId.IKE when spiSize != 0 || count != 0 => $"IKE with {count} SPIs of {spiSize} bytes; it has none",
        ProtocolId.AH or ProtocolId.ESP when spiSize != SpiSize => $"{protocol} with SPIs of {spiSize} bytes; they have {SpiSize}",
        ProtocolId.IKE or ProtocolId.AH or ProtocolId.ESP => length == count * spiSize ? null : $"{count} SPIs of {spiSize} bytes announced in {length} bytes",
        _ => $"protocol {(byte)protocol} is unknown",
    };

    internal override int BodyLength() => 4 + Spis.Count * SpiSize;

    internal override void WriteBody(ref PayloadWriter writer)
    {
        writer.U8((byte)Protocol);
        writer.U8((byte)(Protocol == ProtocolId.IKE ? 0 : SpiSize));
        writer.U16(checked((ushort)Spis.Count));
        foreach (uint spi in Spis)
            writer.U32(spi);
    }
}
