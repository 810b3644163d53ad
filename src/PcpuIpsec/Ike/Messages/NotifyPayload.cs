namespace PcpuIpsec.Ike.Messages;

/*
  Notify (RFC 7296 §3.10)

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |  Protocol ID  |   SPI Size    |      Notify Message Type      |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                Security Parameter Index (SPI)                 ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                       Notification Data                       ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
internal sealed record NotifyPayload(NotifyType Notify, ProtocolId Protocol, byte[] Spi, byte[] Data) : Payload(PayloadType.N)
{
    private const int FirstStatusType = 16384;
    private const int Sha1Length = 20;
    private const int MaxCookieLength = 64;

    public NotifyPayload(NotifyType notify, byte[]? data = null)
        : this(notify, ProtocolId.None, [], data ?? []) { }

    /// <summary>An error and not a status (RFC 7296 §3.10.1); unknown errors in a response fail the request, unknown statuses are ignored.</summary>
    public bool IsError => (int)Notify < FirstStatusType;

    internal static NotifyPayload Parse(ref PayloadReader reader)
    {
        var protocol = (ProtocolId)reader.U8();
        int spiSize = reader.U8();
        var notify = (NotifyType)reader.U16();
        if (notify is NotifyType.SA_RESOURCE_INFO or NotifyType.TS_MAX_QUEUE)
            spiSize = 0; // sent as 0 and not looked at (RFC 9611 §5)
        byte[] spi = reader.Bytes(spiSize);
        if (spiSize == 0)
            protocol = ProtocolId.None; // ignored on receipt where there is no SPI (§3.10)
        NotifyPayload payload = new(notify, protocol, spi, reader.Rest());
        reader.Check(payload.Validate());
        return payload;
    }

    private string? Validate()
    {
        if (Spi.Length > 0 && Protocol is ProtocolId.AH or ProtocolId.ESP && Spi.Length != DeletePayload.SpiSize)
            return $"{Notify} for {Protocol} with an SPI of {Spi.Length} bytes; it has {DeletePayload.SpiSize}";
        if (Notify is NotifyType.REKEY_SA && Protocol is not (ProtocolId.AH or ProtocolId.ESP))
            return $"{Notify} without the SPI of a Child SA";
        if (DataLengths(Notify) is var (least, most) && (Data.Length < least || Data.Length > most))
            return $"{Notify} with {Data.Length} bytes of data; {(least == most ? $"{least}" : $"{least} to {most}")} are allowed";
        return null;
    }

    /// <summary>What the notifications that we interpret must carry (RFC 7296 §2.5, §2.6, §2.23, §3.10.1).</summary>
    private static (int Least, int Most)? DataLengths(NotifyType notify) => notify switch
    {
        NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD => (1, 1),
        NotifyType.INVALID_KE_PAYLOAD => (2, 2),
        NotifyType.SET_WINDOW_SIZE => (4, 4),
        NotifyType.COOKIE => (1, MaxCookieLength),
        NotifyType.NAT_DETECTION_SOURCE_IP or NotifyType.NAT_DETECTION_DESTINATION_IP => (Sha1Length, Sha1Length),
        _ => null,
    };

    internal override int BodyLength() => 4 + Spi.Length + Data.Length;

    internal override void WriteBody(ref PayloadWriter writer)
    {
        writer.U8((byte)Protocol);
        writer.U8(checked((byte)Spi.Length));
        writer.U16((ushort)Notify);
        writer.Bytes(Spi);
        writer.Bytes(Data);
    }
}
