using System.Numerics;
using System.Security.Cryptography;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// The kernel's events of one network namespace, that of the thread which opened it. To be read by one thread, which blocks
/// meanwhile; a loss is an event of its own, told once what had come before is read, and reading goes on behind it.
/// </summary>
internal sealed class XfrmMonitor(INetlinkListener listener) : IDisposable
{
    /// <summary>A few thousand acquires: each CPU may raise some while its reader waits for a peer.</summary>
    private const int ReceiveBufferBytes = 8 << 20;

    // More than any event. Pinned: those of states carry keys, of which the collector is to leave no copy behind.
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(1 << 16, pinned: true);

    // Set from a loss on until the queue is empty. The kernel drops every further event until then and tells of none of them,
    // so that a reader who looked up the state of things any sooner would miss what came in between.
    private string? _loss;

    /// <summary>Joins groups in the namespace of the calling thread; what happens from then on is kept until it is read.</summary>
    public static XfrmMonitor Open(XfrmGroups groups, int receiveBufferBytes = ReceiveBufferBytes)
    {
        Span<int> numbers = stackalloc int[BitOperations.PopCount((uint)groups)];
        int count = 0;
        for (int group = 1; group <= 32; group++)
        {
            if (((uint)groups & (1u << (group - 1))) != 0)
                numbers[count++] = group;
        }
        return new XfrmMonitor(new NetlinkListener(NetlinkProtocol.Xfrm, numbers, receiveBufferBytes));
    }

    /// <summary>The events as they come, until the token is cancelled; blocks the calling thread in between.</summary>
    /// <exception cref="NetlinkException">The socket failed for good.</exception>
    public IEnumerable<XfrmEvent> Read(CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration registration = cancellationToken.Register(listener.Wake);
        var events = new List<XfrmEvent>();
        while (!cancellationToken.IsCancellationRequested)
        {
            events.Clear();
            if (!Receive(events))
                yield break;
            foreach (XfrmEvent e in events)
                yield return e;
        }
    }

    /// <summary>Only once nobody reads any more.</summary>
    public void Dispose() => listener.Dispose();

    /// <summary>One datagram's events; false once woken.</summary>
    private bool Receive(List<XfrmEvent> events)
    {
        int errno = listener.Receive(_buffer, out int length, wait: _loss is null);
        switch (errno)
        {
            case 0:
                break;
            case Libc.ECANCELED:
                return false;
            case Libc.ENOBUFS:
                _loss = "they came faster than they were read";
                return true;
            case Libc.EAGAIN when _loss is { } reason:
                events.Add(new XfrmEventsLost(reason));
                _loss = null;
                return true;
            case Libc.EMSGSIZE:
                _loss = "one was larger than any that is known";
                CryptographicOperations.ZeroMemory(_buffer);
                return true;
            default:
                throw new NetlinkException("receive XFRM events", errno);
        }
        try
        {
            ReadOnlySpan<byte> datagram = _buffer.AsSpan(0, length);
            while (NetlinkSocket.TryTakeMessage(ref datagram, out NetlinkHeader header, out ReadOnlySpan<byte> payload))
            {
                if (XfrmEventDecoder.Decode(header.Type, payload) is { } decoded)
                    events.Add(decoded);
            }
        }
        catch (PcpuIpsecException e) when (e is not NetlinkException)
        {
            events.Add(new XfrmEventsLost(e.Message));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(_buffer.AsSpan(0, length));
        }
        return true;
    }
}
