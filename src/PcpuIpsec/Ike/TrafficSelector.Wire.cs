using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike;

/*
  Traffic Selector (RFC 7296 §3.13.1)

   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |   TS Type     |IP Protocol ID*|       Selector Length         |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |           Start Port*         |           End Port*           |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                         Starting Address*                     ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   ~                         Ending Address*                       ~
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
*/
public sealed partial record TrafficSelector
{
    private const byte TS_IPV4_ADDR_RANGE = 7;
    private const byte TS_IPV6_ADDR_RANGE = 8;
    private const int LengthBeforeAddresses = 8;

    internal int WireLength => LengthBeforeAddresses + 2 * AddressLength(IsIPv6);

    /// <summary>Reads one; null for a TS type that we do not know, which is passed over, and where the reader failed.</summary>
    internal static TrafficSelector? Read(ref PayloadReader reader)
    {
        byte type = reader.U8();
        byte protocol = reader.U8();
        PayloadReader body = reader.Enter(reader.U16() - 4);
        if (reader.Error is not null || type is not (TS_IPV4_ADDR_RANGE or TS_IPV6_ADDR_RANGE))
            return null;

        bool isIPv6 = type == TS_IPV6_ADDR_RANGE;
        ushort startPort = body.U16();
        ushort endPort = body.U16();
        UInt128 start = body.Number(AddressLength(isIPv6));
        UInt128 end = body.Number(AddressLength(isIPv6));
        TrafficSelector selector = new(isIPv6, protocol, startPort, endPort, start, end);
        body.Check(body.Error is null ? selector.Validate() : null);
        reader.Leave(body);
        return reader.Error is null ? selector : null;
    }

    internal void Write(ref PayloadWriter writer)
    {
        writer.U8(IsIPv6 ? TS_IPV6_ADDR_RANGE : TS_IPV4_ADDR_RANGE);
        writer.U8(Protocol);
        writer.U16((ushort)WireLength);
        writer.U16(StartPort);
        writer.U16(EndPort);
        writer.Number(Start, AddressLength(IsIPv6));
        writer.Number(End, AddressLength(IsIPv6));
    }

    /// <summary>What is wrong with the ranges, or null.</summary>
    internal string? Validate()
    {
        if (!IsIPv6 && (Start > uint.MaxValue || End > uint.MaxValue))
            return "an IPv4 address of more than 32 bits";
        if (Start > End)
            return $"the address range {StartAddress}-{EndAddress} is the wrong way round";
        if (StartPort > EndPort && !OpaquePort)
            return $"the port range {StartPort}-{EndPort} is the wrong way round";
        return null;
    }

    private static int AddressLength(bool isIPv6) => isIPv6 ? 16 : 4;
}
