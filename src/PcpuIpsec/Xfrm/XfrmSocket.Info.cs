using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>The table of states.</summary>
internal sealed record XfrmStateTable(uint States, uint Buckets, uint BucketsAtMost);

/// <summary>Prefixes at least this long go into the policies' hash table, shorter ones into a list.</summary>
/// <param name="LocalBits">Of the own side.</param>
/// <param name="RemoteBits">Of the other.</param>
internal readonly record struct XfrmHashThreshold(byte LocalBits, byte RemoteBits);

/// <summary>The table of policies.</summary>
internal sealed record XfrmPolicyTable(uint In, uint Out, uint Forward, uint Buckets, uint BucketsAtMost, XfrmHashThreshold IPv4, XfrmHashThreshold IPv6);

internal sealed partial class XfrmSocket
{
    public XfrmStateTable StateTable()
    {
        const string Operation = "get the table of states";
        using var request = new NetlinkRequest(XfrmMessageType.GetSadInfo, NetlinkFlags.None);
        request.Struct(uint.MaxValue); // Flags, of which the kernel looks at none.
        return socket.Get(Operation, request, ParseStateTable) ?? throw new NetlinkException(Operation, Libc.ENOENT);
    }

    public XfrmPolicyTable PolicyTable()
    {
        const string Operation = "get the table of policies";
        using var request = new NetlinkRequest(XfrmMessageType.GetSpdInfo, NetlinkFlags.None);
        request.Struct(uint.MaxValue);
        return socket.Get(Operation, request, ParsePolicyTable) ?? throw new NetlinkException(Operation, Libc.ENOENT);
    }

    /// <summary>Sets what goes into the hash table of policies: with many tunnels of networks the defaults (32 and 128) leave all in a list.</summary>
    public void SetHashThresholds(XfrmHashThreshold ipv4, XfrmHashThreshold ipv6)
    {
        if (ipv4.LocalBits > 32 || ipv4.RemoteBits > 32 || ipv6.LocalBits > 128 || ipv6.RemoteBits > 128)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"hash thresholds = {ipv4} and {ipv6}: allowed are 0 to 32 bits for IPv4 and 0 to 128 for IPv6.");
        using var request = new NetlinkRequest(XfrmMessageType.NewSpdInfo, NetlinkFlags.None);
        request.Struct(uint.MaxValue);
        request.StructAttribute(XfrmInfoAttribute.SpdIPv4Threshold, new XfrmSpdHashThreshold { LocalBits = ipv4.LocalBits, RemoteBits = ipv4.RemoteBits });
        request.StructAttribute(XfrmInfoAttribute.SpdIPv6Threshold, new XfrmSpdHashThreshold { LocalBits = ipv6.LocalBits, RemoteBits = ipv6.RemoteBits });
        socket.Execute("set the hash thresholds of policies", request);
    }

    internal static XfrmStateTable? ParseStateTable(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type != XfrmMessageType.NewSadInfo)
            return null;
        _ = Read<uint>(type, payload, out NetlinkAttributes attributes);
        uint count = 0;
        XfrmSadHashInfo hash = default;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case XfrmInfoAttribute.SadCount: count = attribute.U32; break;
                case XfrmInfoAttribute.SadHashInfo: hash = attribute.Read<XfrmSadHashInfo>(); break;
            }
        }
        return new XfrmStateTable(count, hash.Buckets, hash.BucketsAtMost);
    }

    internal static XfrmPolicyTable? ParsePolicyTable(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type != XfrmMessageType.NewSpdInfo)
            return null;
        _ = Read<uint>(type, payload, out NetlinkAttributes attributes);
        XfrmSpdCounts counts = default;
        XfrmSpdHashInfo hash = default;
        XfrmHashThreshold ipv4 = default, ipv6 = default;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case XfrmInfoAttribute.SpdInfo: counts = attribute.Read<XfrmSpdCounts>(); break;
                case XfrmInfoAttribute.SpdHashInfo: hash = attribute.Read<XfrmSpdHashInfo>(); break;
                case XfrmInfoAttribute.SpdIPv4Threshold: ipv4 = Threshold(attribute); break;
                case XfrmInfoAttribute.SpdIPv6Threshold: ipv6 = Threshold(attribute); break;
            }
        }
        return new XfrmPolicyTable(counts.In, counts.Out, counts.Forward, hash.Buckets, hash.BucketsAtMost, ipv4, ipv6);
    }

    private static XfrmHashThreshold Threshold(NetlinkAttribute attribute)
    {
        XfrmSpdHashThreshold threshold = attribute.Read<XfrmSpdHashThreshold>();
        return new XfrmHashThreshold(threshold.LocalBits, threshold.RemoteBits);
    }
}
