using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using PcpuIpsec.Steering;

namespace PcpuIpsec.Tests.Steering;

/// <summary>What becomes of a packet: it is sent to a CPU, or left where it is for a reason.</summary>
internal readonly record struct SteeringVerdict(int? Cpu, SteeringReason? Reason)
{
    public static implicit operator SteeringVerdict(SteeringReason reason) => new(null, reason);
    public static implicit operator SteeringVerdict(int cpu) => new(cpu, null);
}

/// <summary>The same decisions as the program's, written down a second time.</summary>
internal sealed class SteeringModel
{
    public required IReadOnlyDictionary<SteeringEntry, int> Entries { get; init; }
    public required IReadOnlyList<ushort> EspPorts { get; init; }
    public required IReadOnlyList<int> FlowCpus { get; init; }

    /// <summary>CPUs that are set up.</summary>
    public required IReadOnlySet<int> Cpus { get; init; }

    public SteeringVerdict Decide(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < 14)
            return SteeringReason.Malformed;
        int type = Word(frame, 12), at = 14;
        for (int tag = 0; tag < 2 && type is 0x8100 or 0x88a8; tag++)
        {
            if (frame.Length < at + 4)
                return SteeringReason.Malformed;
            type = Word(frame, at + 2);
            at += 4;
        }
        return type switch
        {
            0x0800 => IPv4(frame[at..]),
            0x86dd => IPv6(frame[at..]),
            _ => SteeringReason.NotIp,
        };
    }

    private SteeringVerdict IPv4(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < 20 || packet[0] >> 4 != 4 || (packet[0] & 0xf) < 5)
            return SteeringReason.Malformed;
        if ((Word(packet, 6) & 0x3fff) != 0)
            return SteeringReason.Fragment;
        int length = (packet[0] & 0xf) * 4;
        return Transport(packet[9], new IPAddress(packet.Slice(12, 4)), new IPAddress(packet.Slice(16, 4)), packet.Length < length ? [] : packet[length..]);
    }

    private SteeringVerdict IPv6(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < 40 || packet[0] >> 4 != 6)
            return SteeringReason.Malformed;
        byte next = packet[6];
        ReadOnlySpan<byte> rest = packet[40..];
        for (int header = 0; next is 0 or 43 or 44 or 60; header++)
        {
            if (header == 6)
                return SteeringReason.Extensions;
            if (rest.Length < 8)
                return SteeringReason.Malformed;
            if (next == 44 && (Word(rest, 2) & 0xfff9) != 0)
                return SteeringReason.Fragment;
            int length = next == 44 ? 8 : (rest[1] + 1) * 8;
            next = rest[0];
            rest = rest.Length < length ? [] : rest[length..];
        }
        return Transport(next, new IPAddress(packet.Slice(8, 16)), new IPAddress(packet.Slice(24, 16)), rest);
    }

    private SteeringVerdict Transport(byte protocol, IPAddress source, IPAddress destination, ReadOnlySpan<byte> rest)
    {
        switch (protocol)
        {
            case 50:
                return rest.Length < 8 ? SteeringReason.Malformed : BySpi(rest, destination) ?? SteeringReason.NoEntry;
            case 17 when rest.Length < 8:
            case 6 when rest.Length < 20:
                return SteeringReason.Malformed;
            case 17 when Word(rest, 0) == 500 || Word(rest, 2) == 500:
                return SteeringReason.Ike;
            case 17 when EspPorts.Contains(Word(rest, 0)) || EspPorts.Contains(Word(rest, 2)):
                return EspInUdp(destination, rest);
            case 17 or 6:
                return Flow(protocol, source, destination, rest);
            default:
                return SteeringReason.Protocol;
        }
    }

    private SteeringVerdict EspInUdp(IPAddress destination, ReadOnlySpan<byte> udp)
    {
        if (Word(udp, 4) < 12)
            return SteeringReason.Ike;
        if (udp.Length < 12)
            return SteeringReason.Malformed;
        if (BinaryPrimitives.ReadUInt32BigEndian(udp[8..]) == 0)
            return SteeringReason.Ike;
        ushort port = Word(udp, 0);
        return BySpi(udp[8..], destination) ?? (port == 0 ? null : Find(SteeringEntry.SourcePort(port, destination))) ?? SteeringReason.NoEntry;
    }

    private SteeringVerdict Flow(byte protocol, IPAddress source, IPAddress destination, ReadOnlySpan<byte> transport)
    {
        foreach (int at in (int[])[2, 0])
        {
            if (Word(transport, at) is not 0 and ushort port && Find(SteeringEntry.FlowPort(protocol, port)) is { } found)
                return found;
        }
        if (FlowCpus.Count == 0)
            return SteeringReason.NoEntry;
        ulong hash = 0;
        Mix((MemoryMarshal.Read<uint>(transport) * 256ul) + protocol);
        foreach (IPAddress address in (IPAddress[])[source, destination])
        {
            byte[] bytes = address.MapToIPv6().GetAddressBytes();
            Mix(BitConverter.ToUInt64(bytes, 0));
            Mix(BitConverter.ToUInt64(bytes, 8));
        }
        return Placed(FlowCpus[(int)(((hash & uint.MaxValue) * (ulong)FlowCpus.Count) >> 32)]);

        void Mix(ulong word)
        {
            hash = (hash ^ word) * 0x9e3779b97f4a7c15;
            hash ^= hash >> 32;
        }
    }

    private SteeringVerdict? BySpi(ReadOnlySpan<byte> esp, IPAddress destination)
        => BinaryPrimitives.ReadUInt32BigEndian(esp) is not 0 and uint spi ? Find(SteeringEntry.Spi(spi, destination)) : null;

    private SteeringVerdict? Find(SteeringEntry entry) => Entries.TryGetValue(entry, out int cpu) ? Placed(cpu) : null;

    private SteeringVerdict Placed(int cpu) => Cpus.Contains(cpu) ? cpu : SteeringReason.NoCpu;

    private static ushort Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);
}
