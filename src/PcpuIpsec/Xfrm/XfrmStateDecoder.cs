using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>Reads states as dumps and events carry them. Of the algorithms it takes name and length and never looks at the keys.</summary>
internal static class XfrmStateDecoder
{
    public static XfrmInstalledState Decode(in XfrmUserSaInfo info, NetlinkAttributes attributes)
    {
        XfrmState state = From(info);
        string? encryption = null, integrity = null;
        int keyBits = 0, integrityBits = 0;
        ulong sent = 0, received = 0;
        uint? outputMark = null;
        uint outputMask = uint.MaxValue;
        DateTimeOffset? lastUsed = null;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case XfrmAttribute.AlgAead:
                    XfrmAlgoAead aead = attribute.Read<XfrmAlgoAead>();
                    (encryption, keyBits) = (XfrmAlgorithms.NameOf(aead.Name), (int)aead.KeyBits);
                    break;
                case XfrmAttribute.AlgCrypt:
                    XfrmAlgo cipher = attribute.Read<XfrmAlgo>();
                    (encryption, keyBits) = (XfrmAlgorithms.NameOf(cipher.Name), (int)cipher.KeyBits);
                    break;
                case XfrmAttribute.AlgAuthTrunc:
                    XfrmAlgoAuth auth = attribute.Read<XfrmAlgoAuth>();
                    (integrity, integrityBits) = (XfrmAlgorithms.NameOf(auth.Name), (int)auth.TruncatedBits);
                    break;
                case XfrmAttribute.ReplayEsnVal:
                    XfrmReplayStateEsn esn = attribute.Read<XfrmReplayStateEsn>();
                    state = state with { ReplayWindow = (int)esn.ReplayWindow };
                    sent = ((ulong)esn.OutboundSequenceHigh << 32) | esn.OutboundSequence;
                    received = ((ulong)esn.SequenceHigh << 32) | esn.Sequence;
                    break;
                case XfrmAttribute.ReplayVal:
                    XfrmReplayState replay = attribute.Read<XfrmReplayState>();
                    (sent, received) = (replay.OutboundSequence, replay.Sequence);
                    break;
                case XfrmAttribute.SetMark: outputMark = attribute.U32; break;
                case XfrmAttribute.SetMarkMask: outputMask = attribute.U32; break;
                case XfrmAttribute.LastUsed: lastUsed = XfrmTime.From(attribute.U64); break;
                default: state = Apply(state, attribute); break;
            }
        }
        return new XfrmInstalledState
        {
            State = outputMark is { } mark ? state with { OutputMark = new XfrmMark(mark, outputMask) } : state,
            Encryption = encryption,
            KeyBits = keyBits,
            Integrity = integrity,
            IntegrityBits = integrityBits,
            Counters = XfrmCounters.From(info.Current),
            Drops = new XfrmStateDrops(info.Stats.ReplayWindow, info.Stats.Replay, info.Stats.IntegrityFailed),
            SentSequence = sent,
            ReceivedSequence = received,
            LastUsed = lastUsed,
        };
    }

    private static XfrmState From(in XfrmUserSaInfo info) => new()
    {
        Source = info.Source.ToAddress(info.Family),
        Destination = info.Id.Destination.ToAddress(info.Family),
        Spi = NetworkOrder.Swap(info.Id.Spi),
        Protocol = info.Id.Protocol,
        Mode = (XfrmMode)info.Mode,
        RequestId = info.RequestId,
        Flags = (XfrmStateFlags)info.Flags,
        Selector = XfrmSelector.From(info.Selector),
        ReplayWindow = info.ReplayWindow,
        Limits = XfrmLimits.From(info.Limits),
        Sequence = info.Sequence,
    };

    private static XfrmState Apply(XfrmState state, NetlinkAttribute attribute)
    {
        switch (attribute.Type)
        {
            case XfrmAttribute.Encap:
                XfrmEncapTemplate encap = attribute.Read<XfrmEncapTemplate>();
                return state with { Encapsulation = new XfrmEncapsulation(NetworkOrder.Swap(encap.SourcePort), NetworkOrder.Swap(encap.DestinationPort)) { Type = encap.Type } };
            case XfrmAttribute.OffloadDev:
                XfrmUserOffload offload = attribute.Read<XfrmUserOffload>();
                return state with { Offload = new XfrmOffload(offload.InterfaceIndex, ((XfrmOffloadFlags)offload.Flags).HasFlag(XfrmOffloadFlags.Packet)) };
            case XfrmAttribute.Mark:
                return state with { Mark = ReadMark(attribute) };
            case XfrmAttribute.SaExtraFlags: return state with { ExtraFlags = (XfrmExtraFlags)attribute.U32 };
            case XfrmAttribute.IfId: return state with { InterfaceId = attribute.U32 };
            case XfrmAttribute.MtimerThresh: return state with { MappingThreshold = attribute.U32 };
            case XfrmAttribute.SaDir: return state with { Direction = (XfrmSaDirection)attribute.U8 };
            case XfrmAttribute.NatKeepaliveInterval: return state with { NatKeepaliveInterval = attribute.U32 };
            case XfrmAttribute.SaPcpu: return state with { Cpu = ReadCpu(attribute) };
            default: return state;
        }
    }

    internal static XfrmMark ReadMark(NetlinkAttribute attribute)
    {
        XfrmMarkStruct mark = attribute.Read<XfrmMarkStruct>();
        return new XfrmMark(mark.Value, mark.Mask);
    }

    /// <summary>UINT_MAX is what the kernel holds for "none".</summary>
    internal static int? ReadCpu(NetlinkAttribute attribute) => attribute.U32 is <= int.MaxValue and var cpu ? (int)cpu : null;

    /// <summary>What identifies a state in an event.</summary>
    internal static XfrmStateId Id(in XfrmUserSaId id, XfrmMark? mark = null)
        => new(id.Destination.ToAddress(id.Family), NetworkOrder.Swap(id.Spi), id.Protocol, mark);
}
