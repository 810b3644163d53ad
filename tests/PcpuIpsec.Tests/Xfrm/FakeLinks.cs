using System.Text;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Netlink;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>rtnetlink in memory with room for one XFRM interface; it grants routes and rules and forgets them.</summary>
internal sealed class FakeLinks : INetlinkTransport
{
    private const int Enodev = 19;
    private readonly Queue<byte[]> _answers = new();
    private byte[]? _link;

    /// <summary>The errno that making an interface is answered with.</summary>
    public int RefuseLinks { get; init; }

    public string? Name { get; private set; }
    public uint Group { get; private set; }

    public KernelRoutes Socket() => new(new RouteSocket(new NetlinkSocket(this)));

    public int Send(ReadOnlySpan<byte> datagram)
    {
        byte[] request = datagram.ToArray();
        ushort type = BitConverter.ToUInt16(request, 4);
        bool isDump = ((NetlinkFlags)BitConverter.ToUInt16(request, 6)).HasFlag(NetlinkFlags.Dump);
        int errno = 0;
        switch (type)
        {
            case RouteMessageType.NewLink when BitConverter.ToInt32(request, NetlinkHeader.Size + 4) == 0:
                errno = RefuseLinks;
                if (errno == 0)
                    Make(request[NetlinkHeader.Size..]);
                break;
            case RouteMessageType.GetLink when _link is not null:
                _answers.Enqueue(FakeKernel.Message(request, RouteMessageType.NewLink, isDump ? NetlinkFlags.Multi : 0, _link));
                break;
            case RouteMessageType.GetLink when !isDump:
                errno = Enodev;
                break;
        }
        _answers.Enqueue(isDump ? FakeKernel.Done(request).Datagram : FakeKernel.Ack(request, errno).Datagram);
        return 0;
    }

    public int Receive(Span<byte> buffer, out int length)
    {
        byte[] answer = _answers.Dequeue();
        answer.CopyTo(buffer);
        length = answer.Length;
        return 0;
    }

    public void Dispose()
    {
    }

    private void Make(byte[] payload)
    {
        _link = payload;
        BitConverter.TryWriteBytes(_link.AsSpan(4), 7); // ifi_index
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(payload.AsSpan(16)))
        {
            if (attribute.Type == LinkAttribute.Name)
                Name = Encoding.ASCII.GetString(attribute.Payload).TrimEnd('\0');
            else if (attribute.Type == LinkAttribute.Group)
                Group = attribute.U32;
        }
    }
}
