using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

internal sealed partial class XfrmSocket
{
    /// <summary>XFRM_MAX_DEPTH.</summary>
    private const int TemplatesAtMost = 6;

    /// <summary>Adds a policy; one of the same selector, direction, mark, interface id and priority is an error.</summary>
    public void AddPolicy(XfrmPolicy policy) => PutPolicy("add", XfrmMessageType.NewPolicy, policy);

    /// <summary>Adds a policy, or puts it in the place of the one with the same selector, direction, mark and interface id, in one step.</summary>
    public void UpdatePolicy(XfrmPolicy policy) => PutPolicy("update", XfrmMessageType.UpdPolicy, policy);

    /// <summary>Deletes a policy by its selector, direction, mark and interface id; false where there is none such.</summary>
    public bool DeletePolicy(XfrmPolicy policy)
    {
        using NetlinkRequest request = PolicyIdRequest(XfrmMessageType.DelPolicy, policy);
        return Succeeds($"delete {policy.Describe()}", request, Libc.ENOENT);
    }

    /// <summary>Deletes a policy by its index; false where there is none such.</summary>
    public bool DeletePolicy(uint index, XfrmPolicyDirection direction, uint interfaceId = 0, XfrmMark? mark = null)
    {
        using NetlinkRequest request = PolicyIndexRequest(XfrmMessageType.DelPolicy, index, direction, interfaceId, mark);
        return Succeeds($"delete {XfrmPolicy.Text(direction)} policy {index}", request, Libc.ENOENT);
    }

    /// <summary>The policy of a selector, direction, mark and interface id; null where there is none such.</summary>
    public XfrmPolicy? FindPolicy(XfrmPolicy policy)
    {
        using NetlinkRequest request = PolicyIdRequest(XfrmMessageType.GetPolicy, policy);
        return GetPolicy($"get {policy.Describe()}", request);
    }

    /// <summary>The policy of an index; null where there is none such.</summary>
    public XfrmPolicy? FindPolicy(uint index, XfrmPolicyDirection direction, uint interfaceId = 0, XfrmMark? mark = null)
    {
        using NetlinkRequest request = PolicyIndexRequest(XfrmMessageType.GetPolicy, index, direction, interfaceId, mark);
        return GetPolicy($"get {XfrmPolicy.Text(direction)} policy {index}", request);
    }

    /// <summary>All policies of the namespace, those of sockets included.</summary>
    public List<XfrmPolicy> Policies()
    {
        using var request = new NetlinkRequest(XfrmMessageType.GetPolicy, NetlinkFlags.None);
        return socket.Dump("list policies", request, ParsePolicy);
    }

    /// <summary>Deletes all policies of the namespace but those of sockets, whosever they are.</summary>
    public void FlushPolicies()
    {
        using var request = new NetlinkRequest(XfrmMessageType.FlushPolicy, NetlinkFlags.None);
        socket.Execute("flush policies", request);
    }

    internal static XfrmPolicy? ParsePolicy(ushort type, ReadOnlySpan<byte> payload)
        => type is XfrmMessageType.NewPolicy or XfrmMessageType.UpdPolicy
            ? XfrmPolicyDecoder.Decode(Read<XfrmUserPolicyInfo>(type, payload, out NetlinkAttributes attributes), attributes)
            : null;

    private XfrmPolicy? GetPolicy(string operation, scoped in NetlinkRequest request)
    {
        try
        {
            return socket.Get(operation, request, ParsePolicy);
        }
        catch (NetlinkException e) when (e.Errno == Libc.ENOENT)
        {
            return null;
        }
    }

    private void PutPolicy(string verb, ushort type, XfrmPolicy policy)
    {
        if (policy.Templates.Count > TemplatesAtMost)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{policy.Describe()}: {policy.Templates.Count} templates: allowed are {TemplatesAtMost} at most.");
        var request = new NetlinkRequest(type, NetlinkFlags.None);
        try
        {
            ref XfrmUserPolicyInfo info = ref request.Struct<XfrmUserPolicyInfo>();
            policy.Selector.Write(ref info.Selector);
            policy.Limits.Write(ref info.Limits);
            info.Priority = policy.Priority;
            info.Index = policy.Index;
            info.Direction = (byte)policy.Direction;
            info.Action = (byte)policy.Action;
            info.Flags = (byte)policy.Flags;
            if (policy.Templates.Count > 0)
            {
                Span<XfrmUserTemplate> templates = MemoryMarshal.Cast<byte, XfrmUserTemplate>(
                    request.Space(XfrmAttribute.Tmpl, policy.Templates.Count * Unsafe.SizeOf<XfrmUserTemplate>()));
                for (int i = 0; i < templates.Length; i++)
                    policy.Templates[i].Write(ref templates[i]);
            }
            WriteMark(ref request, policy.Mark);
            WriteInterfaceId(ref request, policy.InterfaceId);
            socket.Execute($"{verb} {policy.Describe()}", request);
        }
        finally
        {
            request.Dispose();
        }
    }

    private static NetlinkRequest PolicyIdRequest(ushort type, XfrmPolicy policy)
    {
        var request = new NetlinkRequest(type, NetlinkFlags.None);
        ref XfrmUserPolicyId id = ref request.Struct<XfrmUserPolicyId>();
        policy.Selector.Write(ref id.Selector);
        id.Direction = (byte)policy.Direction;
        WriteMark(ref request, policy.Mark);
        WriteInterfaceId(ref request, policy.InterfaceId);
        return request;
    }

    private static NetlinkRequest PolicyIndexRequest(ushort type, uint index, XfrmPolicyDirection direction, uint interfaceId, XfrmMark? mark)
    {
        var request = new NetlinkRequest(type, NetlinkFlags.None);
        ref XfrmUserPolicyId id = ref request.Struct<XfrmUserPolicyId>();
        id.Index = index;
        id.Direction = (byte)direction;
        WriteMark(ref request, mark);
        WriteInterfaceId(ref request, interfaceId);
        return request;
    }
}
