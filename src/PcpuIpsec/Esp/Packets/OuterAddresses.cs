using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Esp.Packets;

/// <summary>The addresses of the outer IP header as the packet arrived, from which transport mode builds the packet's own header.</summary>
/// <param name="IsIPv6">The family of both.</param>
/// <param name="Source">As a number, IPv4 in the low 32 bits.</param>
/// <param name="Destination">As a number.</param>
internal readonly record struct OuterAddresses(bool IsIPv6, UInt128 Source, UInt128 Destination)
{
    /// <summary>From addresses of one family.</summary>
    public static OuterAddresses Of(IPAddress source, IPAddress destination)
        => new(source.AddressFamily == AddressFamily.InterNetworkV6, TrafficSelector.ToNumber(source), TrafficSelector.ToNumber(destination));
}
