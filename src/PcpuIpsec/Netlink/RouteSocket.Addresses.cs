using System.Net;

namespace PcpuIpsec.Netlink;

internal sealed partial class RouteSocket
{
    /// <summary>Adds an address. IPv6 ones skip duplicate address detection, so that they can be bound at once.</summary>
    public void AddAddress(int interfaceIndex, IPAddress address, int prefixLength)
    {
        using NetlinkRequest request = AddressRequest(RouteMessageType.NewAddress, NetlinkFlags.Create | NetlinkFlags.Exclusive, interfaceIndex, address, prefixLength);
        if (Family(address) == AfInet6)
            request.U32(AddressAttribute.Flags, AddressAttribute.NoDad);
        socket.Execute($"add address {address}/{prefixLength} to link {interfaceIndex}", request);
    }

    public void DeleteAddress(int interfaceIndex, IPAddress address, int prefixLength)
    {
        using NetlinkRequest request = AddressRequest(RouteMessageType.DelAddress, NetlinkFlags.None, interfaceIndex, address, prefixLength);
        socket.Execute($"delete address {address}/{prefixLength} of link {interfaceIndex}", request);
    }

    /// <summary>The addresses of both families, of one interface or of all.</summary>
    public List<LinkAddressEntry> Addresses(int? interfaceIndex = null)
    {
        using var request = new NetlinkRequest(RouteMessageType.GetAddress, NetlinkFlags.None);
        request.Struct(new InterfaceAddressMessage());
        List<LinkAddressEntry> all = socket.Dump("list addresses", request, ParseAddress);
        return interfaceIndex is { } index ? all.FindAll(a => a.InterfaceIndex == index) : all;
    }

    private static NetlinkRequest AddressRequest(ushort type, NetlinkFlags flags, int interfaceIndex, IPAddress address, int prefixLength)
    {
        int bits = Family(address) == AfInet6 ? 128 : 32;
        if (prefixLength < 0 || prefixLength > bits)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"prefix length of {address} = {prefixLength}: allowed are 0 to {bits}.");
        var request = new NetlinkRequest(type, flags);
        request.Struct(new InterfaceAddressMessage { Family = Family(address), PrefixLength = (byte)prefixLength, Index = (uint)interfaceIndex });
        request.Address(AddressAttribute.Local, address);
        request.Address(AddressAttribute.Address, address);
        return request;
    }

    private static LinkAddressEntry? ParseAddress(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type != RouteMessageType.NewAddress)
            return null;
        InterfaceAddressMessage header = Read<InterfaceAddressMessage>(type, payload, out NetlinkAttributes attributes);
        if (header.Family is not (AfInet or AfInet6))
            return null;
        IPAddress? local = null, address = null;
        uint flags = header.Flags;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case AddressAttribute.Local: local = attribute.Address; break;
                case AddressAttribute.Address: address = attribute.Address; break;
                case AddressAttribute.Flags: flags = attribute.U32; break;
            }
        }
        // On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL ours; IPv6 gives IFA_LOCAL only there.
        return (local ?? address) is { } own
            ? new LinkAddressEntry((int)header.Index, own, header.PrefixLength, (flags & AddressAttribute.Tentative) != 0)
            : null;
    }
}
