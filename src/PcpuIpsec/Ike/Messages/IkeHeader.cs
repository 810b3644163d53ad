using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace PcpuIpsec.Ike.Messages;

/*
  The IKE header (RFC 7296 §3.1)

                        1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                       IKE SA Initiator's SPI                  |
   |                                                               |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                       IKE SA Responder's SPI                  |
   |                                                               |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                          Message ID                           |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                            Length                             |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
internal readonly record struct IkeHeader(
    ulong InitiatorSpi,
    ulong ResponderSpi,
    PayloadType NextPayload,
    byte Version,
    ExchangeType Exchange,
    IkeFlags Flags,
    uint MessageId,
    uint Length)
{
    /// <summary>Bytes of the header.</summary>
    public const int Size = 28;

    /// <summary>What a UDP datagram can hold at most, and we accept.</summary>
    public const int MaxMessageLength = 65535;

    /// <summary>Version 2.0.</summary>
    public const byte Version20 = 0x20;

    private const int SupportedMajorVersion = 2;

    public bool IsResponse => (Flags & IkeFlags.Response) != 0;

    /// <summary>Sent by the original initiator of the IKE SA, whoever began this exchange.</summary>
    public bool FromInitiator => (Flags & IkeFlags.Initiator) != 0;

    /// <summary>Reads the header; it is set, so that an error can be answered, wherever 28 bytes were there.</summary>
    public static bool TryParse(ReadOnlySpan<byte> datagram, out IkeHeader header, [NotNullWhen(false)] out ParseError? error)
    {
        if (datagram.Length < Size)
        {
            header = default;
            error = new ParseError(null, $"the datagram has {datagram.Length} bytes; an IKE header has {Size}");
            return false;
        }

        header = new IkeHeader(
            BinaryPrimitives.ReadUInt64BigEndian(datagram),
            BinaryPrimitives.ReadUInt64BigEndian(datagram[8..]),
            (PayloadType)datagram[16],
            datagram[17],
            (ExchangeType)datagram[18],
            (IkeFlags)datagram[19],
            BinaryPrimitives.ReadUInt32BigEndian(datagram[20..]),
            BinaryPrimitives.ReadUInt32BigEndian(datagram[24..]));
        error = header.Validate(datagram.Length);
        return error is null;
    }

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, InitiatorSpi);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], ResponderSpi);
        destination[16] = (byte)NextPayload;
        destination[17] = Version;
        destination[18] = (byte)Exchange;
        destination[19] = (byte)Flags;
        BinaryPrimitives.WriteUInt32BigEndian(destination[20..], MessageId);
        BinaryPrimitives.WriteUInt32BigEndian(destination[24..], Length);
    }

    private ParseError? Validate(int datagramLength)
    {
        // Only a higher major version is answered (§2.5); IKEv1 has nothing that would understand the answer.
        int major = Version >> 4;
        if (major != SupportedMajorVersion)
            return new ParseError(major > SupportedMajorVersion ? NotifyType.INVALID_MAJOR_VERSION : null, $"the major version is {major}; it must be {SupportedMajorVersion}");
        if (Length != (uint)datagramLength)
            return new ParseError(null, $"the header says {Length} bytes, the datagram has {datagramLength}");
        if (datagramLength > MaxMessageLength)
            return new ParseError(null, $"the message has {datagramLength} bytes; at most {MaxMessageLength} are accepted");
        return null;
    }
}
