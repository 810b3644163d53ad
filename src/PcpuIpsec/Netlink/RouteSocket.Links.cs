using PcpuIpsec.Interop;

namespace PcpuIpsec.Netlink;

internal sealed partial class RouteSocket
{
    /// <summary>IFNAMSIZ without the NUL.</summary>
    public const int NameLengthAtMost = 15;

    private const string XfrmKind = "xfrm";

    public List<Link> Links()
    {
        using var request = new NetlinkRequest(RouteMessageType.GetLink, NetlinkFlags.None);
        request.Struct(new InterfaceInfoMessage());
        return socket.Dump("list links", request, ParseLink);
    }

    /// <summary>The interface of a name, or null.</summary>
    public Link? FindLink(string name)
    {
        using var request = new NetlinkRequest(RouteMessageType.GetLink, NetlinkFlags.None);
        request.Struct(new InterfaceInfoMessage());
        request.String(LinkAttribute.Name, CheckName(name));
        return GetLink($"get link {name}", request);
    }

    /// <summary>The interface of an index, or null.</summary>
    public Link? FindLink(int index)
    {
        using var request = new NetlinkRequest(RouteMessageType.GetLink, NetlinkFlags.None);
        request.Struct(new InterfaceInfoMessage { Index = index });
        return GetLink($"get link {index}", request);
    }

    /// <summary>The interface of a name.</summary>
    /// <exception cref="NetlinkException">There is none.</exception>
    public Link RequireLink(string name) => FindLink(name) ?? throw new NetlinkException($"get link {name}", Libc.ENODEV);

    public void SetUp(int index) => ChangeFlags($"set link {index} up", index, LinkFlags.Up, LinkFlags.Up);

    public void SetDown(int index) => ChangeFlags($"set link {index} down", index, LinkFlags.None, LinkFlags.Up);

    public void SetMtu(int index, int mtu)
    {
        using var request = new NetlinkRequest(RouteMessageType.NewLink, NetlinkFlags.None);
        request.Struct(new InterfaceInfoMessage { Index = index });
        request.U32(LinkAttribute.Mtu, (uint)mtu);
        socket.Execute($"set the MTU of link {index} to {mtu}", request);
    }

    public void DeleteLink(int index)
    {
        using var request = new NetlinkRequest(RouteMessageType.DelLink, NetlinkFlags.None);
        request.Struct(new InterfaceInfoMessage { Index = index });
        socket.Execute($"delete link {index}", request);
    }

    public void CreateDummy(string name)
    {
        using var request = new NetlinkRequest(RouteMessageType.NewLink, NetlinkFlags.Create | NetlinkFlags.Exclusive);
        request.Struct(new InterfaceInfoMessage());
        request.String(LinkAttribute.Name, CheckName(name));
        int info = request.BeginNest(LinkAttribute.LinkInfo);
        request.String(LinkAttribute.InfoKind, "dummy");
        request.EndNest(info);
        socket.Execute($"create dummy {name}", request);
    }

    /// <summary>Makes an XFRM interface: what is routed into it is for the policies and states with its interface id.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="interfaceId">IFLA_XFRM_IF_ID, not 0; one to an interface.</param>
    /// <param name="underlay">The device that the outer packets leave by, where hardware offload needs it; null lets the routes decide.</param>
    /// <param name="mtu">In bytes; null leaves the kernel's.</param>
    /// <param name="group">IFLA_GROUP, by which its maker knows it again.</param>
    public void CreateXfrmInterface(string name, uint interfaceId, int? underlay = null, int? mtu = null, uint group = 0)
    {
        if (interfaceId == 0)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"interface id of {name} = 0: allowed are 1 to {uint.MaxValue}.");
        using var request = new NetlinkRequest(RouteMessageType.NewLink, NetlinkFlags.Create | NetlinkFlags.Exclusive);
        request.Struct(new InterfaceInfoMessage());
        request.String(LinkAttribute.Name, CheckName(name));
        if (mtu is { } bytes)
            request.U32(LinkAttribute.Mtu, (uint)bytes);
        if (group != 0)
            request.U32(LinkAttribute.Group, group);
        int info = request.BeginNest(LinkAttribute.LinkInfo);
        request.String(LinkAttribute.InfoKind, XfrmKind);
        int data = request.BeginNest(LinkAttribute.InfoData);
        if (underlay is { } index)
            request.U32(LinkAttribute.XfrmLink, (uint)index);
        request.U32(LinkAttribute.XfrmIfId, interfaceId);
        request.EndNest(data);
        request.EndNest(info);
        socket.Execute($"create xfrm interface {name} with if_id {interfaceId}", request);
    }

    /// <summary>Makes a veth pair whose ends are born in their namespaces, so that neither name is ever taken elsewhere.</summary>
    public void CreateVeth(VethEnd end, VethEnd peer)
    {
        using NetlinkRequest request = VethRequest(end, peer);
        socket.Execute($"create veth {end.Name} with peer {peer.Name}", request);
    }

    private static NetlinkRequest VethRequest(VethEnd end, VethEnd peer)
    {
        var request = new NetlinkRequest(RouteMessageType.NewLink, NetlinkFlags.Create | NetlinkFlags.Exclusive);
        request.Struct(new InterfaceInfoMessage());
        WriteVethEnd(ref request, end);
        int info = request.BeginNest(LinkAttribute.LinkInfo);
        request.String(LinkAttribute.InfoKind, "veth");
        int data = request.BeginNest(LinkAttribute.InfoData);
        int peerInfo = request.BeginNest(LinkAttribute.VethInfoPeer);
        request.Struct(new InterfaceInfoMessage());
        WriteVethEnd(ref request, peer);
        request.EndNest(peerInfo);
        request.EndNest(data);
        request.EndNest(info);
        return request;
    }

    private static void WriteVethEnd(ref NetlinkRequest request, VethEnd end)
    {
        request.String(LinkAttribute.Name, CheckName(end.Name));
        request.U32(LinkAttribute.Mtu, (uint)end.Mtu);
        request.U32(LinkAttribute.NumTxQueues, (uint)end.Queues);
        request.U32(LinkAttribute.NumRxQueues, (uint)end.Queues);
        if (end.NamespaceFd is { } fd)
            request.U32(LinkAttribute.NetNsFd, (uint)fd);
    }

    private void ChangeFlags(string operation, int index, LinkFlags flags, LinkFlags mask)
    {
        using var request = new NetlinkRequest(RouteMessageType.NewLink, NetlinkFlags.None);
        request.Struct(new InterfaceInfoMessage { Index = index, Flags = (uint)flags, Change = (uint)mask });
        socket.Execute(operation, request);
    }

    private Link? GetLink(string operation, scoped in NetlinkRequest request)
    {
        try
        {
            return socket.Get(operation, request, ParseLink);
        }
        catch (NetlinkException e) when (e.Errno == Libc.ENODEV)
        {
            return null;
        }
    }

    /// <summary>Whether an interface can have that name.</summary>
    public static bool IsName(string name)
        => name.Length is > 0 and <= NameLengthAtMost && !name.AsSpan().ContainsAny(" /:\t\n") && name is not "." and not "..";

    private static string CheckName(string name)
        => IsName(name)
            ? name
            : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption,
                $"interface name = '{name}': allowed are 1 to {NameLengthAtMost} characters without spaces, '/' and ':'.");

    private static Link? ParseLink(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type != RouteMessageType.NewLink)
            return null;
        InterfaceInfoMessage header = Read<InterfaceInfoMessage>(type, payload, out NetlinkAttributes attributes);
        string name = "";
        string? kind = null;
        int mtu = 0, txQueues = 1, rxQueues = 1;
        int? peer = null;
        uint? interfaceId = null;
        uint group = 0;
        byte[] address = [];
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case LinkAttribute.Name: name = attribute.String; break;
                case LinkAttribute.Mtu: mtu = (int)attribute.U32; break;
                case LinkAttribute.Address: address = attribute.Payload.ToArray(); break;
                case LinkAttribute.Link: peer = (int)attribute.U32; break;
                case LinkAttribute.Group: group = attribute.U32; break;
                case LinkAttribute.NumTxQueues: txQueues = (int)attribute.U32; break;
                case LinkAttribute.NumRxQueues: rxQueues = (int)attribute.U32; break;
                case LinkAttribute.LinkInfo:
                    foreach (NetlinkAttribute info in attribute.Nested)
                    {
                        // The kind comes first, and says what the data mean.
                        if (info.Type == LinkAttribute.InfoKind)
                            kind = info.String;
                        else if (info.Type == LinkAttribute.InfoData && kind == XfrmKind)
                            interfaceId = XfrmInterfaceId(info);
                    }
                    break;
            }
        }
        return new Link(header.Index, name, kind, (LinkFlags)header.Flags, mtu, address, txQueues, rxQueues, peer, interfaceId, group);
    }

    private static uint? XfrmInterfaceId(NetlinkAttribute data)
    {
        foreach (NetlinkAttribute attribute in data.Nested)
        {
            if (attribute.Type == LinkAttribute.XfrmIfId)
                return attribute.U32;
        }
        return null;
    }
}
