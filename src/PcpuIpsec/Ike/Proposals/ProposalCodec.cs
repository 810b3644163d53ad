using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike.Proposals;

/// <summary>The substructures of the SA payload (RFC 7296 §3.3.1, §3.3.2, §3.3.5).</summary>
internal static class ProposalCodec
{
    private const byte Last = 0;
    private const byte MoreProposals = 2;
    private const byte MoreTransforms = 3;
    private const int ProposalHeader = 8;
    private const int TransformHeader = 8;
    private const int KeyLengthAttribute = 4;
    private const ushort AttributeFormatTv = 0x8000;
    private const ushort KeyLength = 14;

    /// <summary>SPIs 0 to 255 are reserved (RFC 4303 §2.1).</summary>
    private const uint FirstEspSpi = 256;

    /*
      Proposal Substructure (§3.3.1)

       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
       | Last Substruc |   RESERVED    |         Proposal Length       |
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
       | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
       ~                        SPI (variable)                         ~
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
       ~                        <Transforms>                           ~
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    */
    public static Proposal Read(ref PayloadReader reader, out bool more)
    {
        more = ReadMore(ref reader, MoreProposals);
        reader.Skip(1);
        PayloadReader body = reader.Enter(reader.U16() - 4);
        byte number = body.U8();
        var protocol = (ProtocolId)body.U8();
        int spiSize = body.U8();
        int count = body.U8();
        byte[] spi = body.Bytes(spiSize);
        body.Check(body.Error is null ? ValidateSpi(protocol, spi) : null);
        if (count == 0)
            body.Fail("no transform");

        List<Transform> transforms = new(count);
        for (int i = 0; i < count && body.Error is null; i++)
        {
            transforms.Add(ReadTransform(ref body, out bool moreTransforms));
            if (body.Error is null && moreTransforms != (i < count - 1))
                body.Fail($"{count} transforms announced, the mark of the last is at {i + 1}");
        }

        reader.Leave(body);
        return new Proposal(number, protocol, spi, transforms);
    }

    public static int Length(Proposal proposal) => ProposalHeader + proposal.Spi.Length + proposal.Transforms.Sum(Length);

    public static void Write(ref PayloadWriter writer, Proposal proposal, bool more)
    {
        writer.U8(more ? MoreProposals : Last);
        writer.Reserved(1);
        writer.U16(checked((ushort)Length(proposal)));
        writer.U8(proposal.Number);
        writer.U8((byte)proposal.Protocol);
        writer.U8(checked((byte)proposal.Spi.Length));
        writer.U8(checked((byte)proposal.Transforms.Count));
        writer.Bytes(proposal.Spi);
        for (int i = 0; i < proposal.Transforms.Count; i++)
            WriteTransform(ref writer, proposal.Transforms[i], more: i < proposal.Transforms.Count - 1);
    }

    /*
      Transform Substructure (§3.3.2)

       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
       | Last Substruc |   RESERVED    |        Transform Length       |
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
       |Transform Type |   RESERVED    |          Transform ID         |
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
       ~                      Transform Attributes                     ~
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    */
    private static Transform ReadTransform(ref PayloadReader reader, out bool more)
    {
        more = ReadMore(ref reader, MoreTransforms);
        reader.Skip(1);
        PayloadReader body = reader.Enter(reader.U16() - 4);
        var type = (TransformType)body.U8();
        body.Skip(1);
        Transform transform = new(type, body.U16());
        while (body.More)
            transform = ReadAttribute(ref body, transform);
        reader.Leave(body);
        return transform;
    }

    private static void WriteTransform(ref PayloadWriter writer, Transform transform, bool more)
    {
        writer.U8(more ? MoreTransforms : Last);
        writer.Reserved(1);
        writer.U16((ushort)Length(transform));
        writer.U8((byte)transform.Type);
        writer.Reserved(1);
        writer.U16(transform.Id);
        if (transform.KeyBits is { } bits)
        {
            writer.U16(AttributeFormatTv | KeyLength);
            writer.U16(bits);
        }
    }

    private static int Length(Transform transform) => TransformHeader + (transform.KeyBits is null ? 0 : KeyLengthAttribute);

    /*
      Transform Attribute (§3.3.5)

       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
       |A|       Attribute Type        |    AF=0  Attribute Length     |
       |F|                             |    AF=1  Attribute Value      |
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
       ~                   AF=0  Attribute Value                       ~
       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

      A transform with an attribute that we do not know is not acceptable, the others of its type are (§3.3.6).
    */
    private static Transform ReadAttribute(ref PayloadReader reader, Transform transform)
    {
        ushort format = reader.U16();
        ushort value = reader.U16();
        if (format == (AttributeFormatTv | KeyLength) && transform.KeyBits is null)
            return transform with { KeyBits = value };
        if (format == KeyLength)
            reader.Fail("the key length attribute in TLV form; it is TV"); // §3.3.5
        if ((format & AttributeFormatTv) == 0)
            reader.Skip(value);
        return transform with { Unusable = true };
    }

    private static bool ReadMore(ref PayloadReader reader, byte more)
    {
        byte mark = reader.U8();
        if (mark != Last && mark != more)
            reader.Fail($"the mark of the last substructure is {mark}; it must be {Last} or {more}");
        return mark == more;
    }

    /// <summary>No SPI where IKE is negotiated for the first time; proposals of protocols that we do not know are only passed over.</summary>
    private static string? ValidateSpi(ProtocolId protocol, byte[] spi) => protocol switch
    {
        ProtocolId.IKE => spi.Length is 0 or 8 ? null : $"a proposal for IKE with an SPI of {spi.Length} bytes; it has 0 or 8",
        ProtocolId.AH or ProtocolId.ESP when spi.Length != DeletePayload.SpiSize => $"a proposal for {protocol} with an SPI of {spi.Length} bytes; it has {DeletePayload.SpiSize}",
        ProtocolId.AH or ProtocolId.ESP => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(spi) >= FirstEspSpi ? null : "a proposal with a reserved SPI (0 to 255)",
        _ => null,
    };
}
