using System.Runtime.InteropServices;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Tests.Netlink;

/// <summary>A scripted kernel: keeps the requests, and answers each by the next script.</summary>
internal sealed class FakeKernel : INetlinkTransport
{
    private readonly Queue<Func<byte[], IEnumerable<Answer>>> _scripts = new();
    private readonly Queue<Answer> _answers = new();

    /// <summary>A datagram, or an error in its place.</summary>
    public readonly record struct Answer(byte[] Datagram, int Errno = 0);

    public List<byte[]> Requests { get; } = [];

    /// <summary>What send answers.</summary>
    public int SendErrno { get; set; }

    public void Expect(Func<byte[], IEnumerable<Answer>> script) => _scripts.Enqueue(script);

    public int Send(ReadOnlySpan<byte> datagram)
    {
        byte[] request = datagram.ToArray();
        Requests.Add(request);
        IEnumerable<Answer> answers = _scripts.Count > 0 ? _scripts.Dequeue()(request) : [Ack(request)];
        foreach (Answer answer in answers)
            _answers.Enqueue(answer);
        return SendErrno;
    }

    public int Receive(Span<byte> buffer, out int length)
    {
        length = 0;
        if (!_answers.TryDequeue(out Answer answer))
            return 11; // EAGAIN: nothing came in time.
        if (answer.Errno != 0)
            return answer.Errno;
        answer.Datagram.CopyTo(buffer);
        length = answer.Datagram.Length;
        return 0;
    }

    public void Dispose()
    {
    }

    /// <summary>A message with the sequence number of the request.</summary>
    public static byte[] Message(byte[] request, ushort type, NetlinkFlags flags, params byte[] payload)
    {
        byte[] message = new byte[(NetlinkHeader.Size + payload.Length + 3) & ~3];
        MemoryMarshal.Write(message, new NetlinkHeader
        {
            Length = (uint)(NetlinkHeader.Size + payload.Length),
            Type = type,
            Flags = flags,
            Sequence = MemoryMarshal.Read<uint>(request.AsSpan(8)),
            PortId = 77,
        });
        payload.CopyTo(message, NetlinkHeader.Size);
        return message;
    }

    /// <summary>NLMSG_ERROR as NETLINK_CAP_ACK has it, with extended-ack attributes where given.</summary>
    public static Answer Ack(byte[] request, int errno = 0, params byte[] attributes)
        => new(Message(request, NetlinkMessageType.Error, NetlinkFlags.Capped | (attributes.Length > 0 ? NetlinkFlags.AckAttributes : 0),
            [.. BitConverter.GetBytes(-errno), .. request[..NetlinkHeader.Size], .. attributes]));

    public static Answer Done(byte[] request, NetlinkFlags flags = NetlinkFlags.Multi)
        => new(Message(request, NetlinkMessageType.Done, flags, 0, 0, 0, 0));

    /// <summary>Bytes from hexadecimal digits; blanks, line ends and what follows a # count for nothing.</summary>
    public static byte[] Hex(string text)
        => Convert.FromHexString(string.Concat(text.Split('\n').Select(line => line.Split('#')[0])).Replace(" ", "").Replace("\r", ""));

    /// <summary>An attribute, padded.</summary>
    public static byte[] Attribute(ushort type, params byte[] payload)
    {
        byte[] bytes = new byte[(4 + payload.Length + 3) & ~3];
        BitConverter.TryWriteBytes(bytes, (ushort)(4 + payload.Length));
        BitConverter.TryWriteBytes(bytes.AsSpan(2), type);
        payload.CopyTo(bytes, 4);
        return bytes;
    }
}
