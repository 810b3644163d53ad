using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Netlink;

/// <summary>Reads one message of an answer; null leaves it out of the result.</summary>
/// <param name="type">The message's type.</param>
/// <param name="payload">What follows the header; valid during the call alone.</param>
internal delegate T? NetlinkParser<T>(ushort type, ReadOnlySpan<byte> payload) where T : class;

/// <summary>
/// Requests and their answers on one netlink socket: numbers them, waits for the acknowledgement, collects dumps and
/// repeats those that changed under way. One request at a time: callers on several threads take turns.
/// </summary>
/// <param name="transport">What carries the messages.</param>
/// <param name="clearAnswers">Zero each answer once it was read: XFRM's carry keys.</param>
internal sealed class NetlinkSocket(INetlinkTransport transport, bool clearAnswers = false) : IDisposable
{
    private const int DumpAttempts = 8;
    private const int OverrunsAtMost = 64;

    // Larger than any datagram that the kernel builds for a dump (32 KiB). Pinned: the collector leaves no copy behind.
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(1 << 16, pinned: true);
    private readonly Lock _lock = new();
    private uint _sequence;

    /// <summary>Opens a socket in the namespace of the calling thread.</summary>
    public static NetlinkSocket Open(int protocol, bool clearAnswers = false) => new(new NetlinkSocketTransport(protocol), clearAnswers);

    /// <summary>Sends a request and waits for its acknowledgement.</summary>
    /// <param name="operation">What is asked for, for the error message.</param>
    /// <param name="request">The request; still the caller's to dispose.</param>
    public void Execute(string operation, scoped in NetlinkRequest request) => Get<object>(operation, request, static (_, _) => null);

    /// <summary>Sends a request that is answered by one message and an acknowledgement; null where the parser took nothing.</summary>
    public T? Get<T>(string operation, scoped in NetlinkRequest request, NetlinkParser<T> parser) where T : class
    {
        lock (_lock)
        {
            uint sequence = Send(operation, request, NetlinkFlags.Ack);
            var results = new List<T>(1);
            Collect(operation, sequence, parser, results, isDump: false);
            return results.Count > 0 ? results[0] : null;
        }
    }

    /// <summary>Sends a dump request and collects what the parser takes; repeated until one went through unchanged.</summary>
    public List<T> Dump<T>(string operation, scoped in NetlinkRequest request, NetlinkParser<T> parser) where T : class
    {
        lock (_lock)
        {
            for (int attempt = 1; ; attempt++)
            {
                uint sequence = Send(operation, request, NetlinkFlags.Dump);
                var results = new List<T>();
                if (Collect(operation, sequence, parser, results, isDump: true))
                    return results;
                if (attempt == DumpAttempts)
                    throw new NetlinkException(operation, Libc.EINTR, $"the table changed during each of {DumpAttempts} dumps");
            }
        }
    }

    public void Dispose() => transport.Dispose();

    private uint Send(string operation, scoped in NetlinkRequest request, NetlinkFlags flags)
    {
        // 0 is what unsolicited messages carry.
        uint sequence = ++_sequence == 0 ? ++_sequence : _sequence;
        int errno = transport.Send(request.Finish(sequence, flags));
        return errno == 0 ? sequence : throw new NetlinkException(operation, errno);
    }

    /// <summary>Reads until the answer is complete; false where it is not to be trusted and must be asked for again.</summary>
    private bool Collect<T>(string operation, uint sequence, NetlinkParser<T> parser, List<T> results, bool isDump) where T : class
    {
        bool consistent = true;
        int overruns = 0;
        while (true)
        {
            int errno = transport.Receive(_buffer, out int length);
            if (errno == Libc.ENOBUFS && ++overruns <= OverrunsAtMost)
            {
                // The kernel dropped something. What it dropped may be part of this dump, or an event, and the socket works
                // on: read to the end. A lost acknowledgement shows as EAGAIN, and its outcome is then reported as unknown.
                consistent = false;
                continue;
            }
            if (errno == Libc.EAGAIN && isDump && !consistent)
                return false;
            if (errno != 0)
                throw new NetlinkException(operation, errno, errno == Libc.EAGAIN ? "the kernel's answer was lost; whether the request took effect is unknown" : null);

            try
            {
                if (TakeMessages(operation, sequence, _buffer.AsSpan(0, length), parser, results, ref consistent))
                    return consistent || !isDump;
            }
            finally
            {
                if (clearAnswers)
                    CryptographicOperations.ZeroMemory(_buffer.AsSpan(0, length));
            }
        }
    }

    /// <summary>Reads one datagram of an answer; true where the answer is complete with it.</summary>
    private static bool TakeMessages<T>(string operation, uint sequence, ReadOnlySpan<byte> datagram, NetlinkParser<T> parser, List<T> results, ref bool consistent) where T : class
    {
        while (TryTakeMessage(ref datagram, out NetlinkHeader header, out ReadOnlySpan<byte> payload))
        {
            if (header.Sequence != sequence)
                continue; // An event, or what is left of a request that was given up.
            if (header.Flags.HasFlag(NetlinkFlags.DumpInterrupted))
                consistent = false;
            switch (header.Type)
            {
                case NetlinkMessageType.Error:
                case NetlinkMessageType.Done:
                    ThrowIfFailed(operation, header, payload);
                    return true;
                case NetlinkMessageType.Noop:
                case NetlinkMessageType.Overrun:
                    break;
                default:
                    if (parser(header.Type, payload) is { } result)
                        results.Add(result);
                    break;
            }
        }
        return false;
    }

    /// <summary>Takes the next message off a datagram; false at its end.</summary>
    internal static bool TryTakeMessage(ref ReadOnlySpan<byte> datagram, out NetlinkHeader header, out ReadOnlySpan<byte> payload)
    {
        payload = default;
        if (!MemoryMarshal.TryRead(datagram, out header))
            return false;
        if (header.Length < NetlinkHeader.Size || header.Length > datagram.Length)
            throw NetlinkAttributes.Malformed(header.Type, (int)header.Length);
        payload = datagram[NetlinkHeader.Size..(int)header.Length];
        datagram = datagram[Math.Min(((int)header.Length + 3) & ~3, datagram.Length)..];
        return true;
    }

    private static void ThrowIfFailed(string operation, NetlinkHeader header, ReadOnlySpan<byte> payload)
    {
        // struct nlmsgerr { int error; struct nlmsghdr msg; }; DONE carries the int alone, or nothing in old kernels.
        const int ErrnoSize = 4;
        if (payload.Length < ErrnoSize)
            return;
        int error = MemoryMarshal.Read<int>(payload);
        if (error == 0)
            return;
        ReadOnlySpan<byte> rest = payload[ErrnoSize..];
        if (header.Type == NetlinkMessageType.Error)
        {
            // Without NETLINK_CAP_ACK the whole request is echoed, and the attributes come after it.
            int echoed = header.Flags.HasFlag(NetlinkFlags.Capped) || rest.Length < ErrnoSize
                ? NetlinkHeader.Size
                : (int)((MemoryMarshal.Read<uint>(rest) + 3) & ~3u);
            rest = rest[Math.Clamp(echoed, 0, rest.Length)..];
        }
        string? text = null;
        int? offset = null;
        if (header.Flags.HasFlag(NetlinkFlags.AckAttributes))
        {
            // NLMSGERR_ATTR_*
            const ushort Message = 1, Offset = 2;
            foreach (NetlinkAttribute attribute in new NetlinkAttributes(rest))
            {
                if (attribute.Type == Message)
                    text = attribute.String;
                else if (attribute.Type == Offset)
                    offset = (int)attribute.U32;
            }
        }
        throw new NetlinkException(operation, -error, text, offset);
    }
}
