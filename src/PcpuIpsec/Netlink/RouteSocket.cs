using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PcpuIpsec.Netlink;

/// <summary>
/// rtnetlink in one network namespace, that of the thread which opened it; later calls may come from any thread.
/// Split by object: links, addresses, routes, rules.
/// </summary>
internal sealed partial class RouteSocket(NetlinkSocket socket) : IDisposable
{
    private const byte AfInet = 2, AfInet6 = 10;

    /// <summary>Opens a socket in the namespace of the calling thread.</summary>
    public static RouteSocket Open() => new(NetlinkSocket.Open(NetlinkProtocol.Route));

    public void Dispose() => socket.Dispose();

    private static byte Family(IPAddress address) => Family(address.AddressFamily);

    private static byte Family(AddressFamily family) => family switch
    {
        AddressFamily.InterNetwork => AfInet,
        AddressFamily.InterNetworkV6 => AfInet6,
        _ => throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"address family = {family}: allowed are InterNetwork and InterNetworkV6."),
    };

    /// <summary>Splits an answer into the family's struct and its attributes.</summary>
    private static T Read<T>(ushort type, ReadOnlySpan<byte> payload, out NetlinkAttributes attributes) where T : unmanaged
    {
        int size = Unsafe.SizeOf<T>();
        if (payload.Length < size)
            throw NetlinkAttributes.Malformed(type, payload.Length);
        attributes = new NetlinkAttributes(payload[size..]);
        return MemoryMarshal.Read<T>(payload);
    }

    private static IPAddress AnyAddress(byte family) => family == AfInet6 ? IPAddress.IPv6Any : IPAddress.Any;
}
