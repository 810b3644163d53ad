using System.Text;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Ethtool;

/// <summary>
/// ethtool in one network namespace, that of the thread which opened it; later calls may come from any thread. What its generic
/// netlink family has a message for goes that way, as drivers say there why they refuse; the rest by ioctl. A question that a driver
/// has no answer to is null, a setting that it does not have an <see cref="EthtoolException"/>. What is set is only what differs from
/// what is there, and what is there afterwards is read and returned: drivers round, and keep silent about it.
/// Split by topic: queues, coalescing, features, pause, hashing, rules, and what is only read.
/// </summary>
/// <param name="socket">Generic netlink.</param>
/// <param name="family">The family's number, which the kernel gives at boot.</param>
/// <param name="control">The ioctl.</param>
internal sealed partial class EthtoolSocket(NetlinkSocket socket, ushort family, IEthtoolControl control) : IDisposable
{
    private const string FamilyName = "ethtool";
    private const byte Version = 1;

    private delegate T Reader<T>(NetlinkAttributes attributes);

    private delegate void Writer(ref NetlinkRequest request);

    /// <summary>Opens sockets in the namespace of the calling thread; null where the kernel has no such family (before 5.6, or without CONFIG_ETHTOOL_NETLINK).</summary>
    public static EthtoolSocket? TryOpen()
    {
        var control = new EthtoolControl();
        try
        {
            return TryOpen(NetlinkSocket.Open(NetlinkProtocol.Generic), control);
        }
        catch
        {
            control.Dispose();
            throw;
        }
    }

    /// <summary>On sockets that are this one's from here on.</summary>
    internal static EthtoolSocket? TryOpen(NetlinkSocket socket, IEthtoolControl control)
    {
        try
        {
            if (FindFamily(socket) is { } family)
                return new EthtoolSocket(socket, family, control);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        socket.Dispose();
        control.Dispose();
        return null;
    }

    public void Dispose()
    {
        socket.Dispose();
        control.Dispose();
    }

    /// <summary>Asks by netlink; null where the driver does not know.</summary>
    private T? Get<T>(string link, byte command, string what, Reader<T> read, uint flags = 0) where T : class
    {
        using NetlinkRequest request = Request(link, command, flags);
        string operation = $"get {what}";
        try
        {
            return socket.Get($"{operation} of {link}", request, (type, payload) => type == family ? read(AttributesOf(type, payload)) : null);
        }
        catch (NetlinkException e) when (EthtoolException.IsUnsupported(e.Errno))
        {
            return null;
        }
        catch (NetlinkException e)
        {
            throw Refused(operation, link, e.Errno, e);
        }
    }

    /// <summary>Sets by netlink.</summary>
    private void Set(string link, byte command, string what, Writer write)
    {
        NetlinkRequest request = Request(link, command);
        string operation = $"set {what}";
        try
        {
            write(ref request);
            socket.Execute($"{operation} of {link}", request);
        }
        catch (NetlinkException e)
        {
            throw Refused(operation, link, e.Errno, e);
        }
        finally
        {
            request.Dispose();
        }
    }

    /// <summary>Asks by ioctl; false where the driver does not know.</summary>
    private bool Ask(string link, string what, Span<byte> command)
    {
        CheckName(link);
        int errno = control.Control(link, command);
        if (EthtoolException.IsUnsupported(errno))
            return false;
        return errno == 0 ? true : throw Refused($"get {what}", link, errno);
    }

    /// <summary>Sets by ioctl.</summary>
    private void Do(string link, string operation, Span<byte> command)
    {
        CheckName(link);
        if (control.Control(link, command) is not 0 and var errno)
            throw Refused(operation, link, errno);
    }

    /// <summary>What there must be for a setting to differ from: a driver that does not tell it does not have it.</summary>
    private static T Present<T>(T? value, string link, string what) where T : class
        => value ?? throw new EthtoolException($"set {what}", link, Libc.EOPNOTSUPP);

    /// <summary>ETHTOOL_MSG_* with the header that says which interface.</summary>
    private NetlinkRequest Request(string link, byte command, uint flags = 0)
    {
        CheckName(link);
        var request = new NetlinkRequest(family, NetlinkFlags.None);
        request.Struct(new GenericMessage { Command = command, Version = Version });
        int header = request.BeginNest(EthtoolAttribute.Header, flagged: true);
        request.String(EthtoolAttribute.HeaderDevName, link);
        if (flags != 0)
            request.U32(EthtoolAttribute.HeaderFlags, flags);
        request.EndNest(header);
        return request;
    }

    private static PcpuIpsecException Refused(string operation, string link, int errno, NetlinkException? cause = null) => errno == Libc.ENODEV
        ? new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"interface = '{link}': there is no such interface in this network namespace, or its driver has detached it.", cause)
        : new EthtoolException(operation, link, errno, cause?.KernelText, cause);

    private static void CheckName(string link)
    {
        if (link.Length == 0 || link.Contains('\0', StringComparison.Ordinal) || Encoding.UTF8.GetByteCount(link) >= Libc.InterfaceNameSize)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"interface = '{link}': allowed are names of 1 to {Libc.InterfaceNameSize - 1} bytes.");
    }

    private static ushort? FindFamily(NetlinkSocket socket)
    {
        using var request = new NetlinkRequest(GenericControl.Family, NetlinkFlags.None);
        request.Struct(new GenericMessage { Command = GenericControl.GetFamily, Version = GenericControl.Version });
        request.String(GenericControl.FamilyName, FamilyName);
        try
        {
            return socket.Get<object>($"find the generic netlink family {FamilyName}", request, static (type, payload) =>
            {
                foreach (NetlinkAttribute attribute in AttributesOf(type, payload))
                {
                    if (attribute.Type == GenericControl.FamilyId)
                        return attribute.U16;
                }
                return null;
            }) as ushort?;
        }
        catch (NetlinkException e) when (e.Errno == Libc.ENOENT)
        {
            return null;
        }
    }

    private static NetlinkAttributes AttributesOf(ushort type, ReadOnlySpan<byte> payload)
        => payload.Length >= GenericMessage.Size ? new NetlinkAttributes(payload[GenericMessage.Size..]) : throw NetlinkAttributes.Malformed(type, payload.Length);
}
