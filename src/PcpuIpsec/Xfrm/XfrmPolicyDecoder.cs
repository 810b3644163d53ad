using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>Reads policies as dumps and events carry them.</summary>
internal static class XfrmPolicyDecoder
{
    public static XfrmPolicy Decode(in XfrmUserPolicyInfo info, NetlinkAttributes attributes)
    {
        IReadOnlyList<XfrmTemplate> templates = [];
        XfrmMark? mark = null;
        uint interfaceId = 0;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case XfrmAttribute.Tmpl: templates = XfrmTemplate.ReadAll(attribute.Payload); break;
                case XfrmAttribute.Mark: mark = XfrmStateDecoder.ReadMark(attribute); break;
                case XfrmAttribute.IfId: interfaceId = attribute.U32; break;
            }
        }
        return new XfrmPolicy
        {
            Selector = XfrmSelector.Require(info.Selector),
            Direction = (XfrmPolicyDirection)info.Direction,
            Priority = info.Priority,
            Action = (XfrmPolicyAction)info.Action,
            Flags = (XfrmPolicyFlags)info.Flags,
            Templates = templates,
            Index = info.Index,
            Mark = mark,
            InterfaceId = interfaceId,
            Limits = XfrmLimits.From(info.Limits),
            Counters = XfrmCounters.From(info.Current),
        };
    }
}
