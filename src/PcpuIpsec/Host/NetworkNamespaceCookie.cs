using PcpuIpsec.Interop;

namespace PcpuIpsec.Host;

/// <summary>The number of a network namespace, which no other has in this boot, also after it is gone (SO_NETNS_COOKIE, since 5.14).</summary>
internal static unsafe class NetworkNamespaceCookie
{
    public static ulong OfThisThread()
    {
        int socket = Libc.Check(Libc.Socket(Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0), "open a socket");
        try
        {
            ulong cookie = 0;
            uint length = sizeof(ulong);
            Libc.Check(Libc.GetSockOpt(socket, Libc.SOL_SOCKET, Libc.SO_NETNS_COOKIE, &cookie, &length), "ask for the network namespace's number (SO_NETNS_COOKIE)");
            return cookie;
        }
        finally
        {
            _ = Libc.Close(socket);
        }
    }
}
