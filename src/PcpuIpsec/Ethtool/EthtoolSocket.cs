using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Ethtool;

/// <summary>
/// ethtool's generic netlink family in one network namespace, that of the thread which opened it. What a driver does not know
/// is null.
/// </summary>
/// <param name="socket">Generic netlink.</param>
/// <param name="family">The family's number, which the kernel gives at boot.</param>
internal sealed class EthtoolSocket(NetlinkSocket socket, ushort family) : IDisposable
{
    private const string FamilyName = "ethtool";
    private const byte Version = 1;

    /// <summary>Opens a socket in the namespace of the calling thread; null where the kernel has no such family (before 5.6, or without CONFIG_ETHTOOL_NETLINK).</summary>
    public static EthtoolSocket? TryOpen() => TryOpen(NetlinkSocket.Open(NetlinkProtocol.Generic));

    /// <summary>On a socket that is this one's from here on.</summary>
    internal static EthtoolSocket? TryOpen(NetlinkSocket socket)
    {
        try
        {
            if (FindFamily(socket) is { } family)
                return new EthtoolSocket(socket, family);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        socket.Dispose();
        return null;
    }

    public void Dispose() => socket.Dispose();

    /// <summary>ETHTOOL_MSG_CHANNELS_GET.</summary>
    public Channels? Channels(string link) => Get(link, EthtoolMessage.ChannelsGet, "channels", static attributes =>
    {
        int rx = 0, rxMax = 0, tx = 0, txMax = 0, combined = 0, combinedMax = 0;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case EthtoolAttribute.ChannelsRxMax: rxMax = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsTxMax: txMax = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsCombinedMax: combinedMax = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsRxCount: rx = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsTxCount: tx = (int)attribute.U32; break;
                case EthtoolAttribute.ChannelsCombinedCount: combined = (int)attribute.U32; break;
            }
        }
        return new Channels(rx, rxMax, tx, txMax, combined, combinedMax);
    });

    /// <summary>ETHTOOL_MSG_RINGS_GET.</summary>
    public Rings? Rings(string link) => Get(link, EthtoolMessage.RingsGet, "rings", static attributes =>
    {
        int rx = 0, rxMax = 0, tx = 0, txMax = 0;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case EthtoolAttribute.RingsRxMax: rxMax = (int)attribute.U32; break;
                case EthtoolAttribute.RingsTxMax: txMax = (int)attribute.U32; break;
                case EthtoolAttribute.RingsRx: rx = (int)attribute.U32; break;
                case EthtoolAttribute.RingsTx: tx = (int)attribute.U32; break;
            }
        }
        return new Rings(rx, rxMax, tx, txMax);
    });

    /// <summary>ETHTOOL_MSG_FEATURES_GET.</summary>
    public Features? Features(string link) => Get(link, EthtoolMessage.FeaturesGet, "features", static attributes =>
    {
        HashSet<string> active = [], changeable = [];
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case EthtoolAttribute.FeaturesActive: AddBits(active, attribute.Nested); break;
                case EthtoolAttribute.FeaturesHw: AddBits(changeable, attribute.Nested); break;
            }
        }
        return new Features(active, changeable);
    });

    private delegate T Reader<T>(NetlinkAttributes attributes);

    private T? Get<T>(string link, byte command, string what, Reader<T> read) where T : class
    {
        using var request = new NetlinkRequest(family, NetlinkFlags.None);
        request.Struct(new GenericMessage { Command = command, Version = Version });
        int header = request.BeginNest(EthtoolAttribute.Header, flagged: true);
        request.String(EthtoolAttribute.HeaderDevName, link);
        request.EndNest(header);
        try
        {
            return socket.Get($"get {what} of {link}", request, (type, payload) => type == family ? read(AttributesOf(type, payload)) : null);
        }
        catch (NetlinkException e) when (e.Errno == Libc.EOPNOTSUPP)
        {
            return null;
        }
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

    /// <summary>The names of the bits that are set: with a mask those with a value, without one all that are there.</summary>
    private static void AddBits(HashSet<string> set, NetlinkAttributes bitset)
    {
        bool isList = false;
        foreach (NetlinkAttribute attribute in bitset)
        {
            isList |= attribute.Type == EthtoolAttribute.BitsetNoMask;
            if (attribute.Type != EthtoolAttribute.BitsetBits)
                continue;
            foreach (NetlinkAttribute bit in attribute.Nested)
            {
                string? name = null;
                bool value = isList;
                foreach (NetlinkAttribute part in bit.Nested)
                {
                    if (part.Type == EthtoolAttribute.BitName)
                        name = part.String;
                    value |= part.Type == EthtoolAttribute.BitValue;
                }
                if (value && name is not null)
                    set.Add(name);
            }
        }
    }
}
