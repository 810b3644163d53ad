using PcpuIpsec.Interop;

namespace PcpuIpsec.Netlink;

/// <summary>Where an XDP program runs.</summary>
internal enum XdpMode
{
    /// <summary>In the driver, before the kernel has made anything of the packet.</summary>
    Native,

    /// <summary>In the kernel's receive path, on its own packet buffers; works on every interface.</summary>
    Generic,
}

/// <summary>What XDP needs to know of an interface.</summary>
/// <param name="Index">Its number.</param>
/// <param name="HardwareType">ARPHRD_*.</param>
/// <param name="Kind">IFLA_INFO_KIND; null for hardware.</param>
/// <param name="Programs">What is attached: in either mode, by a device, or several at once.</param>
internal sealed record XdpLink(int Index, ushort HardwareType, string? Kind, IReadOnlyList<XdpAttachment> Programs)
{
    /// <summary>ARPHRD_ETHER: its packets begin with an Ethernet header.</summary>
    public const ushort Ethernet = 1;
}

/// <summary>A program on an interface.</summary>
/// <param name="Mode">Null where the device itself runs it.</param>
/// <param name="ProgramId">The program's number.</param>
internal readonly record struct XdpAttachment(XdpMode? Mode, uint ProgramId);

/// <summary>The nested attributes of IFLA_XDP and their flags (linux/if_link.h).</summary>
internal static class XdpAttribute
{
    public const ushort Descriptor = 1, Flags = 3, DriverProgram = 5, GenericProgram = 6, HardwareProgram = 7, ExpectedDescriptor = 8;

    public const uint UpdateIfNoExist = 1 << 0, GenericMode = 1 << 1, DriverMode = 1 << 2, Replace = 1 << 4;
}

internal sealed partial class RouteSocket
{
    /// <summary>The XDP side of an interface, or null where there is no such.</summary>
    public XdpLink? FindXdpLink(string name)
    {
        using var request = new NetlinkRequest(RouteMessageType.GetLink, NetlinkFlags.None);
        request.Struct(new InterfaceInfoMessage());
        request.String(LinkAttribute.Name, CheckName(name));
        try
        {
            return socket.Get($"get the XDP program of {name}", request, ParseXdpLink);
        }
        catch (NetlinkException e) when (e.Errno == Libc.ENODEV)
        {
            return null;
        }
    }

    /// <summary>Attaches a program where there is none. It stays when its descriptor is closed.</summary>
    /// <exception cref="NetlinkException">EBUSY or EEXIST: there is one; others are the driver's reason.</exception>
    public void AttachXdp(int index, int program, XdpMode mode)
        => ChangeXdp($"attach an XDP program to link {index} in {mode} mode", index, program, XdpAttribute.UpdateIfNoExist | FlagOf(mode), expected: null);

    /// <summary>Detaches a program, if it is the one that is there.</summary>
    /// <exception cref="NetlinkException">EEXIST: another is.</exception>
    public void DetachXdp(int index, int program, XdpMode mode)
        => ChangeXdp($"detach the XDP program of link {index}", index, -1, XdpAttribute.Replace | FlagOf(mode), program);

    private void ChangeXdp(string operation, int index, int program, uint flags, int? expected)
    {
        using var request = new NetlinkRequest(RouteMessageType.NewLink, NetlinkFlags.None);
        request.Struct(new InterfaceInfoMessage { Index = index });
        int xdp = request.BeginNest(LinkAttribute.Xdp, flagged: true);
        request.U32(XdpAttribute.Descriptor, (uint)program);
        request.U32(XdpAttribute.Flags, flags);
        if (expected is { } fd)
            request.U32(XdpAttribute.ExpectedDescriptor, (uint)fd);
        request.EndNest(xdp);
        socket.Execute(operation, request);
    }

    private static uint FlagOf(XdpMode mode) => mode == XdpMode.Native ? XdpAttribute.DriverMode : XdpAttribute.GenericMode;

    private static XdpLink? ParseXdpLink(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type != RouteMessageType.NewLink)
            return null;
        InterfaceInfoMessage header = Read<InterfaceInfoMessage>(type, payload, out NetlinkAttributes attributes);
        string? kind = null;
        var programs = new List<XdpAttachment>();
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type == LinkAttribute.LinkInfo)
            {
                foreach (NetlinkAttribute info in attribute.Nested)
                {
                    if (info.Type == LinkAttribute.InfoKind)
                        kind = info.String;
                }
            }
            else if (attribute.Type == LinkAttribute.Xdp)
            {
                foreach (NetlinkAttribute xdp in attribute.Nested)
                {
                    if (xdp.Type is XdpAttribute.DriverProgram or XdpAttribute.GenericProgram or XdpAttribute.HardwareProgram)
                        programs.Add(new XdpAttachment(xdp.Type switch { XdpAttribute.DriverProgram => XdpMode.Native, XdpAttribute.GenericProgram => XdpMode.Generic, _ => null }, xdp.U32));
                }
            }
        }
        return new XdpLink(header.Index, header.Type, kind, programs);
    }
}
