using System.Net;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Host;

/// <summary>Binds UDP sockets.</summary>
internal static unsafe class UdpBinding
{
    /// <summary>Binds, and names who has the port where it is taken.</summary>
    public static void Bind(int socket, IPEndPoint local)
    {
        if (!TryBind(socket, local))
        {
            int errno = Libc.Errno;
            string hint = errno switch
            {
                Libc.EADDRINUSE => $": {UdpPortOwner.Describe(local) ?? "another program, perhaps another IKE daemon,"} has that port",
                Libc.EACCES => ": it takes CAP_NET_BIND_SERVICE",
                Libc.EADDRNOTAVAIL => ": the host has no such address",
                _ => "",
            };
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"Cannot bind UDP {local}: {Libc.Describe(errno)}{hint}.");
        }
    }

    public static bool TryBind(int socket, IPEndPoint local)
    {
        byte* address = stackalloc byte[InetSocketAddress.MaximumLength];
        var from = InetSocketAddress.Of(local.Address, (ushort)local.Port);
        from.CopyTo(address);
        return Libc.Bind(socket, address, (uint)from.Length) >= 0;
    }
}
