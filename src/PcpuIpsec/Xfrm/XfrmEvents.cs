using System.Net;

namespace PcpuIpsec.Xfrm;

/// <summary>What the kernel tells of its own accord.</summary>
internal abstract record XfrmEvent;

/// <summary>Events were lost, for want of room or because one made no sense: what is known must be read anew.</summary>
internal sealed record XfrmEventsLost(string Reason) : XfrmEvent;

/// <summary>A packet matched a policy for which there is no state (XFRM_MSG_ACQUIRE).</summary>
internal sealed record XfrmAcquire : XfrmEvent
{
    /// <summary>The policy's number.</summary>
    public required uint PolicyIndex { get; init; }

    /// <summary>The policy as it stands, with its templates, mark and interface id.</summary>
    public required XfrmPolicy Policy { get; init; }

    /// <summary>The packet's own selector.</summary>
    public required XfrmSelector Trigger { get; init; }

    /// <summary>Outer addresses that the state would have.</summary>
    public required IPAddress Source { get; init; }

    public required IPAddress Destination { get; init; }

    public byte Protocol { get; init; }

    /// <summary>The template that has no state.</summary>
    public XfrmTemplate? Template => Policy.Templates is [var first, ..] ? first : null;

    /// <summary>The CPU that sent the packet, where the policy asks for acquires by CPU; else null.</summary>
    public int? Cpu { get; init; }

    /// <summary>Names the placeholder that the answering state takes the place of.</summary>
    public uint Sequence { get; init; }
}

/// <summary>A state reached a limit (XFRM_MSG_EXPIRE); after a hard one it is gone.</summary>
internal sealed record XfrmExpire(XfrmInstalledState State, bool Hard) : XfrmEvent;

/// <summary>A policy reached a limit (XFRM_MSG_POLEXPIRE); after a hard one it is gone.</summary>
internal sealed record XfrmPolicyExpire(XfrmPolicy Policy, bool Hard) : XfrmEvent;

/// <summary>Authentic packets of an encapsulated inbound state come from elsewhere (XFRM_MSG_MAPPING).</summary>
internal sealed record XfrmMapping(XfrmStateId State, uint RequestId, IPEndPoint Old, IPEndPoint New) : XfrmEvent;

/// <summary>One pair of outer addresses that was moved.</summary>
internal sealed record XfrmMove(IPAddress OldSource, IPAddress OldDestination, IPAddress NewSource, IPAddress NewDestination, byte Protocol, XfrmMode Mode, uint RequestId);

/// <summary>A policy and its states were moved to other outer addresses (XFRM_MSG_MIGRATE).</summary>
internal sealed record XfrmMigrate(XfrmSelector Selector, XfrmPolicyDirection Direction, IReadOnlyList<XfrmMove> Moves) : XfrmEvent;

/// <summary>A packet had no policy of its protocol (XFRM_MSG_REPORT).</summary>
internal sealed record XfrmReport(byte Protocol, XfrmSelector? Selector) : XfrmEvent;

/// <summary>A state's counters or sequence numbers reached a threshold or were set (XFRM_MSG_NEWAE).</summary>
internal sealed record XfrmAevent(XfrmStateId State, uint RequestId, XfrmAeventFlags Flags, XfrmCounters? Counters) : XfrmEvent;

/// <summary>A state was added or updated.</summary>
internal sealed record XfrmStateChanged(XfrmInstalledState State, bool IsNew) : XfrmEvent;

/// <summary>A state was deleted.</summary>
internal sealed record XfrmStateDeleted(XfrmStateId Id) : XfrmEvent;

/// <summary>All states of a protocol (0: of all) were deleted.</summary>
internal sealed record XfrmStatesFlushed(byte Protocol) : XfrmEvent;

/// <summary>A policy was added or updated.</summary>
internal sealed record XfrmPolicyChanged(XfrmPolicy Policy, bool IsNew) : XfrmEvent;

/// <summary>A policy was deleted; its selector is null where it was named by its index and nothing more is told.</summary>
internal sealed record XfrmPolicyDeleted(uint Index, XfrmPolicyDirection Direction, XfrmSelector? Selector) : XfrmEvent;

/// <summary>All policies were deleted.</summary>
internal sealed record XfrmPoliciesFlushed : XfrmEvent;
