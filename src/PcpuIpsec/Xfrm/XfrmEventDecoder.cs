using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>Reads the kernel's events; one that is unknown is null, one that makes no sense is the malformed error.</summary>
internal static class XfrmEventDecoder
{
    public static XfrmEvent? Decode(ushort type, ReadOnlySpan<byte> payload) => type switch
    {
        XfrmMessageType.Acquire => Acquire(type, payload),
        XfrmMessageType.Expire => Expire(type, payload),
        XfrmMessageType.PolExpire => PolicyExpire(type, payload),
        XfrmMessageType.Mapping => Mapping(XfrmSocket.Read<XfrmUserMapping>(type, payload, out _)),
        XfrmMessageType.Migrate => Migrate(type, payload),
        XfrmMessageType.Report => Report(XfrmSocket.Read<XfrmUserReport>(type, payload, out _)),
        XfrmMessageType.NewAe => Aevent(type, payload),
        XfrmMessageType.NewSa or XfrmMessageType.UpdSa => new XfrmStateChanged(XfrmSocket.ParseState(type, payload)!, type == XfrmMessageType.NewSa),
        XfrmMessageType.DelSa => StateDeleted(type, payload),
        XfrmMessageType.FlushSa => new XfrmStatesFlushed(XfrmSocket.Read<XfrmUserSaFlush>(type, payload, out _).Protocol),
        XfrmMessageType.NewPolicy or XfrmMessageType.UpdPolicy => new XfrmPolicyChanged(XfrmSocket.ParsePolicy(type, payload)!, type == XfrmMessageType.NewPolicy),
        XfrmMessageType.DelPolicy => PolicyDeleted(type, payload),
        XfrmMessageType.FlushPolicy => new XfrmPoliciesFlushed(),
        _ => null,
    };

    private static XfrmAcquire Acquire(ushort type, ReadOnlySpan<byte> payload)
    {
        ref readonly XfrmUserAcquire acquire = ref XfrmSocket.Read<XfrmUserAcquire>(type, payload, out NetlinkAttributes attributes);
        int? cpu = null;
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type == XfrmAttribute.SaPcpu)
                cpu = XfrmStateDecoder.ReadCpu(attribute);
        }
        XfrmPolicy policy = XfrmPolicyDecoder.Decode(acquire.Policy, attributes);
        // The outer family is the template's and may be another than the packet's.
        ushort family = policy.Templates is [var template, ..] ? XfrmAddress.FamilyOf(template.Destination) : acquire.Selector.Family;
        return new XfrmAcquire
        {
            PolicyIndex = acquire.Policy.Index,
            Policy = policy,
            Trigger = XfrmSelector.Require(acquire.Selector),
            Source = acquire.Source.ToAddress(family),
            Destination = acquire.Id.Destination.ToAddress(family),
            Protocol = acquire.Id.Protocol,
            Cpu = cpu,
            Sequence = acquire.Sequence,
        };
    }

    private static XfrmExpire Expire(ushort type, ReadOnlySpan<byte> payload)
    {
        ref readonly XfrmUserExpire expire = ref XfrmSocket.Read<XfrmUserExpire>(type, payload, out NetlinkAttributes attributes);
        return new XfrmExpire(XfrmStateDecoder.Decode(expire.State, attributes), expire.Hard != 0);
    }

    private static XfrmPolicyExpire PolicyExpire(ushort type, ReadOnlySpan<byte> payload)
    {
        ref readonly XfrmUserPolicyExpire expire = ref XfrmSocket.Read<XfrmUserPolicyExpire>(type, payload, out NetlinkAttributes attributes);
        return new XfrmPolicyExpire(XfrmPolicyDecoder.Decode(expire.Policy, attributes), expire.Hard != 0);
    }

    private static XfrmMapping Mapping(in XfrmUserMapping mapping)
        => new(
            XfrmStateDecoder.Id(mapping.Id),
            mapping.RequestId,
            new IPEndPoint(mapping.OldSource.ToAddress(mapping.Id.Family), NetworkOrder.Swap(mapping.OldSourcePort)),
            new IPEndPoint(mapping.NewSource.ToAddress(mapping.Id.Family), NetworkOrder.Swap(mapping.NewSourcePort)));

    private static XfrmMigrate Migrate(ushort type, ReadOnlySpan<byte> payload)
    {
        ref readonly XfrmUserPolicyId id = ref XfrmSocket.Read<XfrmUserPolicyId>(type, payload, out NetlinkAttributes attributes);
        var moves = new List<XfrmMove>();
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type != XfrmAttribute.Migrate)
                continue;
            if (attribute.Payload.Length % Unsafe.SizeOf<XfrmUserMigrate>() != 0)
                throw NetlinkAttributes.Malformed(attribute.Type, attribute.Payload.Length);
            foreach (ref readonly XfrmUserMigrate move in MemoryMarshal.Cast<byte, XfrmUserMigrate>(attribute.Payload))
            {
                moves.Add(new XfrmMove(
                    move.OldSource.ToAddress(move.OldFamily),
                    move.OldDestination.ToAddress(move.OldFamily),
                    move.NewSource.ToAddress(move.NewFamily),
                    move.NewDestination.ToAddress(move.NewFamily),
                    move.Protocol,
                    (XfrmMode)move.Mode,
                    move.RequestId));
            }
        }
        return new XfrmMigrate(XfrmSelector.Require(id.Selector), (XfrmPolicyDirection)id.Direction, moves);
    }

    private static XfrmReport Report(in XfrmUserReport report) => new(report.Protocol, XfrmSelector.From(report.Selector));

    private static XfrmAevent Aevent(ushort type, ReadOnlySpan<byte> payload)
    {
        ref readonly XfrmAeventId id = ref XfrmSocket.Read<XfrmAeventId>(type, payload, out NetlinkAttributes attributes);
        XfrmCounters? counters = null;
        XfrmMark? mark = null;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case XfrmAttribute.LtimeVal: counters = XfrmCounters.From(attribute.Read<XfrmLifetimeCurrent>()); break;
                case XfrmAttribute.Mark: mark = XfrmStateDecoder.ReadMark(attribute); break;
            }
        }
        return new XfrmAevent(XfrmStateDecoder.Id(id.Id, mark), id.RequestId, (XfrmAeventFlags)id.Flags, counters);
    }

    private static XfrmStateDeleted StateDeleted(ushort type, ReadOnlySpan<byte> payload)
    {
        ref readonly XfrmUserSaId id = ref XfrmSocket.Read<XfrmUserSaId>(type, payload, out NetlinkAttributes attributes);
        XfrmMark? mark = null;
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type == XfrmAttribute.Mark)
                mark = XfrmStateDecoder.ReadMark(attribute);
        }
        return new XfrmStateDeleted(XfrmStateDecoder.Id(id, mark));
    }

    private static XfrmPolicyDeleted PolicyDeleted(ushort type, ReadOnlySpan<byte> payload)
    {
        ref readonly XfrmUserPolicyId id = ref XfrmSocket.Read<XfrmUserPolicyId>(type, payload, out NetlinkAttributes attributes);
        uint index = id.Index;
        XfrmSelector? selector = XfrmSelector.From(id.Selector);
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type != XfrmAttribute.Policy)
                continue;
            XfrmUserPolicyInfo policy = attribute.Read<XfrmUserPolicyInfo>();
            (index, selector) = (policy.Index, XfrmSelector.From(policy.Selector));
        }
        return new XfrmPolicyDeleted(index, (XfrmPolicyDirection)id.Direction, selector);
    }
}
