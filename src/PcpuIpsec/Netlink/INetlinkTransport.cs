namespace PcpuIpsec.Netlink;

/// <summary>Moves datagrams between us and the kernel; tests put a scripted kernel here.</summary>
internal interface INetlinkTransport : IDisposable
{
    /// <summary>Sends one datagram; 0 or errno.</summary>
    int Send(ReadOnlySpan<byte> datagram);

    /// <summary>
    /// Receives one datagram from the kernel; 0 or errno. EAGAIN where none came in time, ENOBUFS where the kernel dropped
    /// some for want of room, EMSGSIZE where it did not fit the buffer.
    /// </summary>
    int Receive(Span<byte> buffer, out int length);
}
