using PcpuIpsec.Interop;

namespace PcpuIpsec.Netlink;

/// <summary>Receives what the kernel tells of its own accord; tests put a scripted kernel here.</summary>
internal interface INetlinkListener : IDisposable
{
    /// <summary>Receives one datagram; 0 or errno. ENOBUFS where some were lost, ECANCELED once woken, EAGAIN where there is none and no wait.</summary>
    int Receive(Span<byte> buffer, out int length, bool wait);

    /// <summary>Ends the wait, the one under way and every later one. May come from any thread.</summary>
    void Wake();
}

/// <summary>A socket that is a member of multicast groups, in the network namespace of the thread that makes it.</summary>
internal sealed unsafe class NetlinkListener : INetlinkListener
{
    private readonly Lock _lock = new();
    private int _fd = -1, _wake = -1;

    /// <param name="protocol">One of <see cref="NetlinkProtocol"/>.</param>
    /// <param name="groups">The groups' numbers.</param>
    /// <param name="receiveBufferBytes">Room for events that come faster than they are read.</param>
    public NetlinkListener(int protocol, ReadOnlySpan<int> groups, int receiveBufferBytes)
    {
        try
        {
            _fd = Libc.Check(Libc.Socket(Libc.AF_NETLINK, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, protocol), $"open a netlink socket of protocol {protocol}");
            _wake = Libc.Check(Libc.EventFd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK), "open an eventfd");
            // Past net.core.rmem_max with CAP_NET_ADMIN in the first user namespace; elsewhere as much as that allows.
            if (Libc.SetSockOpt(_fd, Libc.SOL_SOCKET, Libc.SO_RCVBUFFORCE, receiveBufferBytes) < 0)
                Libc.Check(Libc.SetSockOpt(_fd, Libc.SOL_SOCKET, Libc.SO_RCVBUF, receiveBufferBytes), "set SO_RCVBUF");
            var address = new Libc.SockAddrNetlink { Family = Libc.AF_NETLINK };
            Libc.Check(Libc.Bind(_fd, &address, (uint)sizeof(Libc.SockAddrNetlink)), "bind the netlink socket");
            foreach (int group in groups)
                Libc.Check(Libc.SetSockOpt(_fd, Libc.SOL_NETLINK, Libc.NETLINK_ADD_MEMBERSHIP, group), $"join netlink group {group} of protocol {protocol}");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int Receive(Span<byte> buffer, out int length, bool wait)
    {
        length = 0;
        Libc.PollDescriptor* descriptors = stackalloc Libc.PollDescriptor[2];
        while (true)
        {
            descriptors[0] = new Libc.PollDescriptor { Fd = _fd, Events = Libc.POLLIN };
            descriptors[1] = new Libc.PollDescriptor { Fd = _wake, Events = Libc.POLLIN };
            if (Libc.Poll(descriptors, 2, wait ? -1 : 0) < 0)
            {
                if (Libc.Errno == Libc.EINTR)
                    continue;
                return Libc.Errno;
            }
            if (descriptors[1].Returned != 0)
                return Libc.ECANCELED;
            if (!wait && descriptors[0].Returned == 0)
                return Libc.EAGAIN;

            Libc.SockAddrNetlink sender;
            uint senderLength = (uint)sizeof(Libc.SockAddrNetlink);
            nint received;
            fixed (byte* bytes = buffer)
                received = Libc.ReceiveFrom(_fd, bytes, (nuint)buffer.Length, Libc.MSG_TRUNC, &sender, &senderLength);
            if (received < 0)
            {
                if (Libc.Errno is not (Libc.EINTR or Libc.EAGAIN))
                    return Libc.Errno;
            }
            else if (sender.PortId == 0) // Any process may send to our port; only the kernel's is 0.
            {
                length = (int)Math.Min(received, buffer.Length);
                return received > buffer.Length ? Libc.EMSGSIZE : 0;
            }
        }
    }

    public void Wake()
    {
        lock (_lock)
        {
            if (_wake < 0)
                return;
            ulong one = 1;
            _ = Libc.Write(_wake, &one, sizeof(ulong));
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_fd >= 0)
                _ = Libc.Close(_fd);
            if (_wake >= 0)
                _ = Libc.Close(_wake);
            _fd = _wake = -1;
        }
    }
}
