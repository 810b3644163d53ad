using System.Diagnostics.CodeAnalysis;

namespace PcpuIpsec.Ike.Messages;

/*
  Payloads one behind the other, each naming the type of the next: the generic payload header (RFC 7296 §3.2)

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   | Next Payload  |C|  RESERVED   |         Payload Length        |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
internal static class PayloadChain
{
    /// <summary>Bytes of the generic payload header.</summary>
    public const int HeaderSize = 4;

    /// <summary>A longer chain is refused.</summary>
    public const int MaxPayloads = 64;

    private const byte CriticalBit = 0x80;

    /// <summary>Reads a chain. What comes out is well formed on its own; which payloads an exchange needs is for the exchange to say.</summary>
    public static bool TryParse(PayloadType first, ReadOnlySpan<byte> chain, out IReadOnlyList<Payload> payloads, [NotNullWhen(false)] out ParseError? error)
    {
        List<Payload> parsed = [];
        payloads = [];
        error = null;
        PayloadReader reader = new(chain);
        PayloadType type = first;
        for (int count = 0; type != PayloadType.NoNextPayload; count++)
        {
            if (count == MaxPayloads)
            {
                error = Malformed(type, $"a chain of more than {MaxPayloads} payloads");
                return false;
            }

            var next = (PayloadType)reader.U8();
            bool critical = (reader.U8() & CriticalBit) != 0;
            PayloadReader body = reader.Enter(reader.U16() - HeaderSize);
            error = reader.Error is { } text ? Malformed(type, text) : ReadPayload(type, critical, ref body, parsed);
            if (error is not null)
                return false;
            type = next;
        }

        if (reader.More)
        {
            error = Malformed(default, $"{reader.Remaining} bytes behind the last payload");
            return false;
        }

        payloads = parsed;
        return true;
    }

    public static int Length(IReadOnlyList<Payload> payloads) => payloads.Sum(payload => HeaderSize + payload.BodyLength());

    public static void Write(IReadOnlyList<Payload> payloads, Span<byte> destination)
    {
        PayloadWriter writer = new(destination);
        for (int i = 0; i < payloads.Count; i++)
        {
            writer.U8((byte)(i + 1 < payloads.Count ? payloads[i + 1].Type : PayloadType.NoNextPayload));
            writer.U8(payloads[i] is OpaquePayload { Critical: true } ? CriticalBit : (byte)0);
            writer.U16(checked((ushort)(HeaderSize + payloads[i].BodyLength())));
            payloads[i].WriteBody(ref writer);
        }
    }

    private static ParseError? ReadPayload(PayloadType type, bool critical, ref PayloadReader body, List<Payload> parsed)
    {
        if (IsSingle(type) && parsed.Exists(payload => payload.Type == type))
            return Malformed(type, "it is there twice");

        // The critical bit is only looked at where the type is unknown (§2.5).
        Payload? payload = type switch
        {
            PayloadType.SA => SaPayload.Parse(ref body),
            PayloadType.KE => KePayload.Parse(ref body),
            PayloadType.IDi or PayloadType.IDr => IdPayload.Parse(type, ref body),
            PayloadType.AUTH => AuthPayload.Parse(ref body),
            PayloadType.Nonce => NoncePayload.Parse(ref body),
            PayloadType.N => NotifyPayload.Parse(ref body),
            PayloadType.D => DeletePayload.Parse(ref body),
            PayloadType.V => VendorIdPayload.Parse(ref body),
            PayloadType.TSi or PayloadType.TSr => TsPayload.Parse(type, ref body),
            PayloadType.CERT or PayloadType.CERTREQ or PayloadType.CP or PayloadType.EAP => OpaquePayload.Parse(type, critical, ref body),
            _ => null,
        };
        if (payload is not null)
        {
            body.End();
            parsed.Add(payload);
            return body.Error is { } text ? Malformed(type, text) : null;
        }

        if (type is PayloadType.SK or PayloadType.SKF)
            return Malformed(type, "an encrypted payload in a chain of others");
        return critical ? new ParseError(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, $"payload type {(byte)type} is unknown and critical", type) : null;
    }

    private static bool IsSingle(PayloadType type) => type is PayloadType.SA or PayloadType.KE or PayloadType.IDi or PayloadType.IDr
        or PayloadType.AUTH or PayloadType.Nonce or PayloadType.TSi or PayloadType.TSr;

    private static ParseError Malformed(PayloadType type, string text)
        => new(NotifyType.INVALID_SYNTAX, type == PayloadType.NoNextPayload ? text : $"payload {type}: {text}", type);
}
