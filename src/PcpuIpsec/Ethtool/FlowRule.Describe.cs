using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace PcpuIpsec.Ethtool;

internal sealed partial record FlowRule
{
    /// <summary>For people: "Esp4 spi 0x00001000 from 192.0.2.1 to queue 2". What it has no words for is "…".</summary>
    public string Describe()
    {
        var text = new StringBuilder(Type.ToString());
        int described = 0;
        if (LayoutOf(Type) is var (isIPv6, isByPort, isBySpi))
        {
            int after = AfterAddresses(isIPv6), address = after / 2;
            if (isBySpi)
                Field(" spi ", after, sizeof(uint), static b => $"0x{BinaryPrimitives.ReadUInt32BigEndian(b):x8}");
            Field(" from ", 0, address, static b => new IPAddress(b).ToString());
            if (isByPort)
                Field(" port ", after, sizeof(ushort), static b => $"{BinaryPrimitives.ReadUInt16BigEndian(b)}");
            Field(" for ", address, address, static b => new IPAddress(b).ToString());
            if (isByPort)
                Field(" port ", after + sizeof(ushort), sizeof(ushort), static b => $"{BinaryPrimitives.ReadUInt16BigEndian(b)}");
        }
        if (described < QueueAt - MasksAt - Spec.AsSpan(MasksAt, QueueAt - MasksAt).Count((byte)0))
            text.Append(" …");
        return text.Append(" to ").Append(Target()).ToString();

        void Field(string before, int at, int length, Func<byte[], string> format)
        {
            ReadOnlySpan<byte> mask = Spec.AsSpan(MasksAt + at, length);
            int counting = length - mask.Count((byte)0);
            if (counting == 0)
                return;
            described += counting;
            text.Append(before).Append(format(Spec.AsSpan(FieldsAt + at, length).ToArray()));
            if (mask.ContainsAnyExcept((byte)0xff))
                text.Append("/0x").Append(Convert.ToHexStringLower(mask));
        }
    }

    private string Target() => Cookie switch
    {
        _ when (Flags & ToContextFlag) != 0 => $"RSS context {RssContext}",
        DropCookie => "nowhere",
        WakeCookie => "wake the host",
        // ETHTOOL_RX_FLOW_SPEC_RING_VF: above the queue's 32 bits
        > uint.MaxValue => $"queue {(uint)Cookie} of virtual function {(byte)(Cookie >> 32)}",
        _ => $"queue {Cookie}",
    };

    private static (bool IsIPv6, bool IsByPort, bool IsBySpi)? LayoutOf(FlowType type) => type switch
    {
        FlowType.Tcp4 or FlowType.Udp4 or FlowType.Sctp4 => (false, true, false),
        FlowType.Tcp6 or FlowType.Udp6 or FlowType.Sctp6 => (true, true, false),
        FlowType.Ah4 or FlowType.Esp4 => (false, false, true),
        FlowType.Ah6 or FlowType.Esp6 => (true, false, true),
        _ => null,
    };
}

/// <summary>The rules of an interface.</summary>
/// <param name="Capacity">Locations are below it; 0 where the driver does not tell.</param>
/// <param name="TakesSpecialLocations">Whether the driver itself finds a location for a rule.</param>
/// <param name="Rules">By location.</param>
internal sealed record FlowRuleTable(int Capacity, bool TakesSpecialLocations, IReadOnlyDictionary<uint, FlowRule> Rules)
{
    /// <summary>The lowest that has no rule; null where all have one.</summary>
    public uint? FreeLocation()
    {
        for (uint location = 0; location < Capacity; location++)
        {
            if (!Rules.ContainsKey(location))
                return location;
        }
        return null;
    }
}
