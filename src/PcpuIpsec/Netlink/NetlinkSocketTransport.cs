using PcpuIpsec.Interop;

namespace PcpuIpsec.Netlink;

/// <summary>The real transport: an AF_NETLINK socket in the network namespace of the thread that makes it.</summary>
internal sealed unsafe class NetlinkSocketTransport : INetlinkTransport
{
    // The kernel acts on a request before send returns and fills a dump while we receive, so an answer that is not there
    // within seconds was lost.
    private const int ReceiveTimeoutSeconds = 5;
    private const int ReceiveBufferBytes = 1 << 20;

    private int _fd;

    public NetlinkSocketTransport(int protocol)
    {
        _fd = Libc.Check(Libc.Socket(Libc.AF_NETLINK, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, protocol), $"open a netlink socket of protocol {protocol}");
        try
        {
            var address = new Libc.SockAddrNetlink { Family = Libc.AF_NETLINK };
            Libc.Check(Libc.Bind(_fd, &address, (uint)sizeof(Libc.SockAddrNetlink)), "bind the netlink socket");
            var timeout = new Libc.TimeValue { Seconds = ReceiveTimeoutSeconds };
            Libc.Check(Libc.SetSockOpt(_fd, Libc.SOL_SOCKET, Libc.SO_RCVTIMEO, &timeout, (uint)sizeof(Libc.TimeValue)), "set SO_RCVTIMEO");
            SetOption(Libc.SOL_SOCKET, Libc.SO_RCVBUF, ReceiveBufferBytes);
            SetOption(Libc.SOL_NETLINK, Libc.NETLINK_EXT_ACK, 1);
            SetOption(Libc.SOL_NETLINK, Libc.NETLINK_CAP_ACK, 1);
            // With it rtnetlink dumps what is asked for. Without (before 4.20) it dumps all, and whoever asks leaves out the rest.
            int strict = 1;
            if (protocol == NetlinkProtocol.Route)
                _ = Libc.SetSockOpt(_fd, Libc.SOL_NETLINK, Libc.NETLINK_GET_STRICT_CHK, &strict, sizeof(int));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int Send(ReadOnlySpan<byte> datagram)
    {
        var kernel = new Libc.SockAddrNetlink { Family = Libc.AF_NETLINK };
        fixed (byte* bytes = datagram)
        {
            while (Libc.SendTo(_fd, bytes, (nuint)datagram.Length, 0, &kernel, (uint)sizeof(Libc.SockAddrNetlink)) < 0)
            {
                if (Libc.Errno != Libc.EINTR)
                    return Libc.Errno;
            }
        }
        return 0;
    }

    public int Receive(Span<byte> buffer, out int length)
    {
        length = 0;
        while (true)
        {
            Libc.SockAddrNetlink sender;
            uint senderLength = (uint)sizeof(Libc.SockAddrNetlink);
            nint received;
            fixed (byte* bytes = buffer)
                received = Libc.ReceiveFrom(_fd, bytes, (nuint)buffer.Length, Libc.MSG_TRUNC, &sender, &senderLength);
            if (received < 0)
            {
                if (Libc.Errno != Libc.EINTR)
                    return Libc.Errno;
            }
            else if (sender.PortId == 0) // Any process may send to our port; only the kernel's is 0.
            {
                length = (int)Math.Min(received, buffer.Length);
                return received > buffer.Length ? Libc.EMSGSIZE : 0;
            }
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _fd, -1) is >= 0 and var fd)
            _ = Libc.Close(fd);
    }

    private void SetOption(int level, int option, int value)
        => Libc.Check(Libc.SetSockOpt(_fd, level, option, &value, sizeof(int)), $"set netlink socket option {level}/{option}");
}
