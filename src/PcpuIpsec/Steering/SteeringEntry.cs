using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PcpuIpsec.Bpf;

namespace PcpuIpsec.Steering;

/// <summary>By what a packet is recognised.</summary>
internal enum SteeringKind : byte
{
    /// <summary>An ESP packet's SPI and destination, bare or in UDP.</summary>
    Spi = 1,

    /// <summary>The source port of ESP in UDP, and its destination address.</summary>
    SourcePort = 2,

    /// <summary>A port of a TCP or UDP flow in clear, whichever end's.</summary>
    FlowPort = 3,
}

/// <summary>One rule: the packets that it takes go to the CPU that it is set to.</summary>
internal readonly record struct SteeringEntry
{
    /// <summary>TCP and UDP, the protocols whose ports can be listed.</summary>
    public const byte Tcp = 6, Udp = 17;

    private SteeringEntry(SteeringKind kind, IPAddress? destination, uint spi, ushort port, byte protocol)
        => (Kind, Destination, SecurityParameterIndex, Port, Protocol) = (kind, destination, spi, port, protocol);

    public SteeringKind Kind { get; }

    /// <summary>Our address, which the packets go to; null where it does not matter.</summary>
    public IPAddress? Destination { get; }

    public uint SecurityParameterIndex { get; }

    public ushort Port { get; }

    public byte Protocol { get; }

    /// <summary>One inbound SA.</summary>
    public static SteeringEntry Spi(uint spi, IPAddress destination)
        => spi != 0
            ? new SteeringEntry(SteeringKind.Spi, Checked(destination), spi, 0, 0)
            : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "spi = 0: allowed are 1 to 4294967295; zero marks IKE (RFC 3948 §2.2).");

    /// <summary>All ESP in UDP that the far end sends from a port, whatever SPI is inside, unless that has an entry.</summary>
    public static SteeringEntry SourcePort(ushort port, IPAddress destination) => new(SteeringKind.SourcePort, Checked(destination), 0, Checked(port), 0);

    /// <summary>The flows in clear that have a port at one of their ends; the destination's is asked first.</summary>
    public static SteeringEntry FlowPort(byte protocol, ushort port)
        => protocol is Tcp or Udp
            ? new SteeringEntry(SteeringKind.FlowPort, null, 0, Checked(port), protocol)
            : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"protocol = {protocol}: allowed are {Tcp} (TCP) and {Udp} (UDP).");

    public override string ToString() => Kind switch
    {
        SteeringKind.Spi => $"SPI 0x{SecurityParameterIndex:x8} to {Destination}",
        SteeringKind.SourcePort => $"ESP in UDP from port {Port} to {Destination}",
        _ => $"{(Protocol == Tcp ? "TCP" : "UDP")} port {Port}",
    };

    internal SteeringKey ToKey()
    {
        var key = new SteeringKey { Kind = (byte)Kind, Protocol = Protocol, Port = (ushort)BpfAssembler.Network(Port), Spi = BinaryPrimitives.ReverseEndianness(SecurityParameterIndex) };
        Destination?.MapToIPv6().TryWriteBytes(key.Address, out _);
        return key;
    }

    internal static SteeringEntry FromKey(in SteeringKey key)
    {
        var kind = (SteeringKind)key.Kind;
        IPAddress? destination = null;
        if (kind != SteeringKind.FlowPort)
        {
            destination = new IPAddress((ReadOnlySpan<byte>)key.Address);
            destination = destination.IsIPv4MappedToIPv6 ? destination.MapToIPv4() : destination;
        }
        return new SteeringEntry(kind, destination, BinaryPrimitives.ReverseEndianness(key.Spi), (ushort)BpfAssembler.Network(key.Port), key.Protocol);
    }

    private static ushort Checked(ushort port)
        => port != 0 ? port : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "port = 0: allowed are 1 to 65535.");

    private static IPAddress Checked(IPAddress destination)
    {
        if (destination.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"destination = {destination}: allowed are IPv4 and IPv6 addresses.");
        // A scope is no part of a packet, and the mapped form is how keys have IPv4.
        return destination.IsIPv4MappedToIPv6 ? destination.MapToIPv4() : new IPAddress(destination.GetAddressBytes());
    }
}

/// <summary>An entry's key in the program's map: fields in network order, IPv4 addresses as ::ffff:a.b.c.d.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SteeringKey
{
    public byte Kind;
    public byte Protocol;
    public ushort Port;
    public uint Spi;
    public AddressBytes Address;

    [InlineArray(16)]
    internal struct AddressBytes
    {
        private byte _first;
    }
}
