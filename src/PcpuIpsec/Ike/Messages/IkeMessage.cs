using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Ike.Messages;

/*
  Whole messages: header and payloads, in clear or inside SK

  Encrypted and Authenticated payload, SK (RFC 7296 §3.14, RFC 5282 §3): the last of its message

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   | Next Payload  |C|  RESERVED   |         Payload Length        |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |                     Initialization Vector                     |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                    Encrypted IKE Payloads                     ~
   +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |               |             Padding (0-255 octets)            |
   +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
   |                                               |  Pad Length   |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                    Integrity Checksum Data                    ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

  Next Payload names the first of the encrypted ones. Authenticated: all from the header on.
*/
internal static class IkeMessage
{
    private const int AssociatedLength = IkeHeader.Size + PayloadChain.HeaderSize;
    private const int PadLengthSize = 1;

    /// <summary>The exact bytes to send; for IKE_SA_INIT also what AUTH is computed over (RFC 7296 §2.15).</summary>
    public static byte[] BuildClear(ulong spiI, ulong spiR, ExchangeType exchange, IkeFlags flags, uint messageId, IReadOnlyList<Payload> payloads)
    {
        byte[] message = Allocate(IkeHeader.Size + PayloadChain.Length(payloads));
        new IkeHeader(spiI, spiR, FirstType(payloads), IkeHeader.Version20, exchange, flags, messageId, (uint)message.Length).Write(message);
        PayloadChain.Write(payloads, message.AsSpan(IkeHeader.Size));
        return message;
    }

    /// <summary>
    /// The exact bytes to send, and to send again (RFC 7296 §2.1). The IV is as long as the cipher's, unique for its key,
    /// and unpredictable where the cipher needs that.
    /// </summary>
    public static byte[] BuildProtected(ulong spiI, ulong spiR, ExchangeType exchange, IkeFlags flags, uint messageId, IReadOnlyList<Payload> payloads, PacketCipher cipher, ReadOnlySpan<byte> iv)
    {
        if (iv.Length != cipher.IvLength)
            throw new ArgumentException($"The IV has {iv.Length} bytes; the cipher's has {cipher.IvLength}.", nameof(iv));

        int chainLength = PayloadChain.Length(payloads);
        int padLength = (cipher.BlockSize - (chainLength + PadLengthSize) % cipher.BlockSize) % cipher.BlockSize;
        int textLength = chainLength + padLength + PadLengthSize;
        byte[] message = Allocate(AssociatedLength + iv.Length + textLength + cipher.IcvLength);

        new IkeHeader(spiI, spiR, PayloadType.SK, IkeHeader.Version20, exchange, flags, messageId, (uint)message.Length).Write(message);
        PayloadWriter writer = new(message.AsSpan(IkeHeader.Size));
        writer.U8((byte)FirstType(payloads));
        writer.Reserved(1);
        writer.U16((ushort)(message.Length - IkeHeader.Size));
        writer.Bytes(iv);

        Span<byte> text = message.AsSpan(AssociatedLength + iv.Length, textLength);
        PayloadChain.Write(payloads, text);
        text[^1] = (byte)padLength;
        cipher.Seal(message.AsSpan(0, AssociatedLength), iv, text, [], message.AsSpan(message.Length - cipher.IcvLength));
        return message;
    }

    /// <summary>Reads a message that is not encrypted (IKE_SA_INIT, and answers outside an IKE SA).</summary>
    public static bool TryParseClear(ReadOnlySpan<byte> datagram, out IkeHeader header, out IReadOnlyList<Payload> payloads, [NotNullWhen(false)] out ParseError? error)
    {
        payloads = [];
        return IkeHeader.TryParse(datagram, out header, out error)
            && PayloadChain.TryParse(header.NextPayload, datagram[IkeHeader.Size..], out payloads, out error);
    }

    /// <summary>
    /// Checks, decrypts and reads the SK payload of a message whose header was parsed; the datagram stays as it is.
    /// Until the integrity check has passed nothing is known of the sender, so errors before it want no answer.
    /// </summary>
    public static bool TryOpen(byte[] datagram, IkeHeader header, PacketCipher cipher, out IReadOnlyList<Payload> inner, [NotNullWhen(false)] out ParseError? error)
    {
        inner = [];
        PayloadReader reader = new(datagram);
        reader.Skip(IkeHeader.Size);
        var first = (PayloadType)reader.U8();
        reader.Skip(1);
        int payloadLength = reader.U16();
        int textLength = datagram.Length - AssociatedLength - cipher.IvLength - cipher.IcvLength;
        error = ValidateEnvelope(header, datagram.Length, payloadLength, textLength, cipher.BlockSize);
        if (error is not null)
            return false;

        ReadOnlySpan<byte> associated = datagram.AsSpan(0, AssociatedLength);
        ReadOnlySpan<byte> iv = datagram.AsSpan(AssociatedLength, cipher.IvLength);
        byte[] text = datagram.AsSpan(AssociatedLength + cipher.IvLength, textLength).ToArray();
        try
        {
            if (!cipher.TryOpen(associated, iv, text, [], datagram.AsSpan(datagram.Length - cipher.IcvLength)))
            {
                error = ParseError.NotAuthentic;
                return false;
            }

            // The padding's content is not looked at: any is allowed (§3.14).
            int chainLength = textLength - PadLengthSize - text[^1];
            if (chainLength < 0)
            {
                error = new ParseError(NotifyType.INVALID_SYNTAX, $"payload SK: a pad length of {text[^1]} in {textLength} bytes", PayloadType.SK);
                return false;
            }

            return PayloadChain.TryParse(first, text.AsSpan(0, chainLength), out inner, out error);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    private static ParseError? ValidateEnvelope(IkeHeader header, int datagramLength, int payloadLength, int textLength, int blockSize)
    {
        if (header.NextPayload != PayloadType.SK)
            return new ParseError(null, $"the first payload is {header.NextPayload}; it must be SK", header.NextPayload);
        if (payloadLength != datagramLength - IkeHeader.Size)
            return new ParseError(null, $"payload SK has {payloadLength} bytes; it must take the {datagramLength - IkeHeader.Size} behind the header", PayloadType.SK);
        if (textLength < PadLengthSize || textLength % blockSize != 0)
            return new ParseError(null, $"payload SK holds {textLength} encrypted bytes; it must hold a multiple of {blockSize}, and not none", PayloadType.SK);
        return null;
    }

    private static PayloadType FirstType(IReadOnlyList<Payload> payloads) => payloads.Count == 0 ? PayloadType.NoNextPayload : payloads[0].Type;

    private static byte[] Allocate(int length)
    {
        // Only selectors and suites without number make a message as long as that.
        if (length > IkeHeader.MaxMessageLength)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"The IKE message would have {length} bytes; at most {IkeHeader.MaxMessageLength} can be sent. Configure fewer traffic selectors or suites.");
        return new byte[length];
    }
}
