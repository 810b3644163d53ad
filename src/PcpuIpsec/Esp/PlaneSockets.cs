using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Bpf;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp;

/// <summary>Opens the plane's sockets, all marked so that routing rules exempt them from protection. Run in the plane's namespace.</summary>
internal static unsafe class PlaneSockets
{
    /// <summary>What may wait in a socket while its worker is busy: some milliseconds at 10 Gb/s.</summary>
    private const int BufferBytes = 8 << 20;

    /// <summary>RFC 6335 §6.</summary>
    private const int FirstDynamicPort = 49152;

    /// <summary>A raw ESP socket that takes one worker's packets; -1 where the host has no such family.</summary>
    public static int OpenRawEsp(bool isIPv6, int worker, int workers, uint mark)
    {
        int fd = Libc.Socket(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, Libc.IPPROTO_ESP);
        if (fd < 0 && Libc.Errno == Libc.EAFNOSUPPORT)
            return -1;
        Libc.Check(fd, "Cannot open a raw socket for ESP");
        return Configure(fd, socket =>
        {
            Prepare(socket, isIPv6, mark);
            ulong[] filter = isIPv6 ? ClassicBpf.TakeOwnIPv6(worker, workers) : ClassicBpf.TakeOwnIPv4(worker, workers);
            ClassicBpf.Attach(socket, Libc.SO_ATTACH_FILTER, filter, "one worker's ESP packets");
        });
    }

    /// <summary>A socket that sends whole IP packets, for ICMP; -1 where the host has no such family.</summary>
    public static int OpenRawIp(bool isIPv6, uint mark)
    {
        int fd = Libc.Socket(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, Libc.IPPROTO_RAW);
        if (fd < 0 && Libc.Errno == Libc.EAFNOSUPPORT)
            return -1;
        Libc.Check(fd, "Cannot open a raw IP socket");
        return Configure(fd, socket =>
        {
            Mark(socket, mark);
            if (isIPv6)
                Libc.Check(Libc.SetSockOpt(socket, Libc.IPPROTO_IPV6, Libc.IPV6_HDRINCL, 1), "IPV6_HDRINCL");
        });
    }

    /// <summary>A UDP socket for a worker's ESP in UDP, or with <paramref name="share"/> one of a group on the same port.</summary>
    public static int OpenUdpEsp(IPEndPoint local, bool share, uint mark)
    {
        bool isIPv6 = local.AddressFamily == AddressFamily.InterNetworkV6;
        return Configure(OpenUdp(isIPv6), socket =>
        {
            PrepareUdp(socket, isIPv6, mark);
            if (share)
                Libc.Check(Libc.SetSockOpt(socket, Libc.SOL_SOCKET, Libc.SO_REUSEPORT, 1), "SO_REUSEPORT");
            UdpBinding.Bind(socket, local);
        });
    }

    /// <summary>
    /// A UDP socket that one SA's ESP leaves through, from a port of its own; nothing is taken in there. The port is not
    /// negotiated: where another socket has it, one of the next will do.
    /// </summary>
    public static int OpenUdpEspSender(IPEndPoint local, uint mark)
    {
        const int Attempts = 64;
        bool isIPv6 = local.AddressFamily == AddressFamily.InterNetworkV6;
        return Configure(OpenUdp(isIPv6), socket =>
        {
            PrepareUdp(socket, isIPv6, mark);
            ClassicBpf.Attach(socket, Libc.SO_ATTACH_FILTER, ClassicBpf.TakeNothing, "sending alone");
            IPEndPoint tried = local;
            for (int i = 1; i < Attempts; i++)
            {
                if (UdpBinding.TryBind(socket, tried))
                    return;
                if (Libc.Errno != Libc.EADDRINUSE)
                    break;
                tried = new IPEndPoint(local.Address, tried.Port == ushort.MaxValue ? FirstDynamicPort : tried.Port + 1);
            }
            UdpBinding.Bind(socket, tried);
        });
    }

    /// <summary>A UDP socket for IKE; with <paramref name="groupProgram"/> the first of a group on the port, which that program divides.</summary>
    public static int OpenIke(IPEndPoint local, uint mark, ulong[]? groupProgram)
        // Blocking: the class Socket, which it goes into, makes it otherwise once it is used so.
        => Configure(OpenUdp(local.AddressFamily == AddressFamily.InterNetworkV6, flags: 0), socket =>
        {
            Mark(socket, mark);
            if (local.AddressFamily == AddressFamily.InterNetworkV6)
                Libc.Check(Libc.SetSockOpt(socket, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, 1), "IPV6_V6ONLY");
            if (groupProgram is not null)
            {
                Libc.Check(Libc.SetSockOpt(socket, Libc.SOL_SOCKET, Libc.SO_REUSEPORT, 1), "SO_REUSEPORT");
                // Before anything can arrive: a group that is not divided yet would hand IKE to a worker.
                ClassicBpf.Attach(socket, Libc.SO_ATTACH_REUSEPORT_CBPF, groupProgram, "dividing ESP in UDP among the workers");
            }
            UdpBinding.Bind(socket, local);
        });

    /// <summary>What the kernel knows of the path's MTU, ICMP messages included.</summary>
    /// <returns>Null where there is no route.</returns>
    public static int? PathMtuTo(IPAddress source, IPAddress destination, uint mark)
    {
        bool isIPv6 = destination.AddressFamily == AddressFamily.InterNetworkV6;
        // Unknown where no descriptor is left: asked again later, and a timer or a worker goes on.
        int fd = Libc.Socket(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, 0);
        if (fd < 0)
            return null;
        try
        {
            Mark(fd, mark);
            byte* address = stackalloc byte[InetSocketAddress.MaximumLength];
            var from = InetSocketAddress.Of(source, 0);
            from.CopyTo(address);
            if (Libc.Bind(fd, address, (uint)from.Length) < 0)
                return null;
            var to = InetSocketAddress.Of(destination, 4500);
            to.CopyTo(address);
            if (Libc.Connect(fd, address, (uint)to.Length) < 0)
                return null;
            int mtu = 0;
            uint length = sizeof(int);
            return Libc.GetSockOpt(fd, isIPv6 ? Libc.IPPROTO_IPV6 : Libc.IPPROTO_IP, isIPv6 ? Libc.IPV6_MTU : Libc.IP_MTU, &mtu, &length) < 0 ? null : mtu;
        }
        finally
        {
            Libc.Close(fd);
        }
    }

    /// <summary>Whether the kernel may fragment what the socket sends; else what is too long is refused with EMSGSIZE.</summary>
    public static void AllowFragments(int socket, bool isIPv6, bool allow)
    {
        if (isIPv6)
            Libc.Check(Libc.SetSockOpt(socket, Libc.IPPROTO_IPV6, Libc.IPV6_MTU_DISCOVER, allow ? Libc.IP_PMTUDISC_WANT : Libc.IP_PMTUDISC_DO), "IPV6_MTU_DISCOVER");
        else
            Libc.Check(Libc.SetSockOpt(socket, Libc.IPPROTO_IP, Libc.IP_MTU_DISCOVER, allow ? Libc.IP_PMTUDISC_DONT : Libc.IP_PMTUDISC_DO), "IP_MTU_DISCOVER");
    }

    private static int OpenUdp(bool isIPv6, int flags = Libc.SOCK_NONBLOCK)
        => Libc.Check(Libc.Socket(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC | flags, 0), "Cannot open a UDP socket");

    private static void Prepare(int socket, bool isIPv6, uint mark)
    {
        Mark(socket, mark);
        Libc.Check(Libc.SetSockOpt(socket, Libc.SOL_SOCKET, Libc.SO_RCVBUFFORCE, BufferBytes), "SO_RCVBUFFORCE");
        Libc.Check(Libc.SetSockOpt(socket, Libc.SOL_SOCKET, Libc.SO_SNDBUFFORCE, BufferBytes), "SO_SNDBUFFORCE");
        AllowFragments(socket, isIPv6, allow: false);
        if (isIPv6)
            Libc.Check(Libc.SetSockOpt(socket, Libc.IPPROTO_IPV6, Libc.IPV6_RECVTCLASS, 1), "IPV6_RECVTCLASS");
        else
            Libc.Check(Libc.SetSockOpt(socket, Libc.IPPROTO_IP, Libc.IP_RECVTOS, 1), "IP_RECVTOS");
    }

    private static void PrepareUdp(int socket, bool isIPv6, uint mark)
    {
        Prepare(socket, isIPv6, mark);
        // RFC 3948 §2.1: without a checksum over IPv4; IPv6 needs one.
        if (isIPv6)
            Libc.Check(Libc.SetSockOpt(socket, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, 1), "IPV6_V6ONLY");
        else
            Libc.Check(Libc.SetSockOpt(socket, Libc.SOL_SOCKET, Libc.SO_NO_CHECK, 1), "SO_NO_CHECK");
    }

    private static void Mark(int socket, uint mark)
        => Libc.Check(Libc.SetSockOpt(socket, Libc.SOL_SOCKET, Libc.SO_MARK, &mark, sizeof(uint)), "SO_MARK");

    private static int Configure(int socket, Action<int> configure)
    {
        try
        {
            configure(socket);
            return socket;
        }
        catch
        {
            Libc.Close(socket);
            throw;
        }
    }
}
