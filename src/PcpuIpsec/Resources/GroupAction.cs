using PcpuIpsec.Ike;

namespace PcpuIpsec.Resources;

/// <summary>What a group of Child SAs wants done with its Child SAs.</summary>
internal abstract record GroupAction;

/// <summary>Create a Child SA with CREATE_CHILD_SA and SA_RESOURCE_INFO for a CPU (RFC 9611 §3), the trigger packet's selectors first where there was one.</summary>
internal sealed record CreateForCpu(int Cpu, TrafficSelector? TriggerLocal = null, TrafficSelector? TriggerRemote = null) : GroupAction;

/// <summary>Create the fallback anew (it was deleted or expired).</summary>
internal sealed record CreateFallback : GroupAction;

/// <summary>Delete the Child SA with this number: nobody uses it, or there is one too many.</summary>
internal sealed record DeleteChild(int Number, bool Idle = false) : GroupAction;

/// <summary>Install the outbound half that was skipped, bound to the CPU.</summary>
internal sealed record BindOutbound(int Number, int Cpu) : GroupAction;

/// <summary>
/// Rekey the Child SA and bind the new outbound half to the CPU (RFC 9611 §6). Asked for where the outbound half was in the
/// data plane before: installing the same keys again would repeat sequence numbers and IVs (RFC 4106 §3.1). Answered by
/// <see cref="ChildSaGroup.ChildRekeyed"/>, or by <see cref="ChildSaGroup.CreateFailed"/> with the CPU.
/// </summary>
internal sealed record MoveChild(int Number, int Cpu) : GroupAction;

/// <summary>Take the outbound half out of the data plane; the inbound half stays.</summary>
internal sealed record UnbindOutbound(int Number) : GroupAction;

/// <summary>Say what the Child SAs have carried. Answered by <see cref="ChildSaGroup.Usage"/>, with nothing where it is not known.</summary>
internal sealed record ReadUsage : GroupAction;

/// <summary>The packets that a Child SA's halves have carried with their present keys.</summary>
internal readonly record struct ChildUsage(int Number, long Sent, long Received);

/// <summary>Why a Child SA could not be created.</summary>
internal enum CreateFailure
{
    /// <summary>TS_MAX_QUEUE (RFC 9611 §3.1): the peer wants no more for these selectors.</summary>
    TsMaxQueue,

    /// <summary>NO_ADDITIONAL_SAS (RFC 7296 §1.3).</summary>
    NoAdditionalSas,

    /// <summary>TEMPORARY_FAILURE (RFC 7296 §2.25): try again later.</summary>
    Temporary,

    /// <summary>Anything else.</summary>
    Other,
}

/// <summary>Where a Child SA that the peer asks for goes.</summary>
/// <param name="Refused">No Child SA: answer TS_MAX_QUEUE, or TEMPORARY_FAILURE where <paramref name="Temporary"/> is true.</param>
/// <param name="Cpu">The CPU that the outbound half serves; null where it is skipped (RFC 9611 §4).</param>
/// <param name="InboundCpu">The CPU with the fewest Child SAs: where the inbound half's packets best arrive, also where the outbound half is skipped.</param>
/// <param name="Temporary">Refused because of our own requests under way alone: once they are answered there may be room (RFC 7296 §2.25).</param>
internal readonly record struct Placement(bool Refused, int? Cpu, int? InboundCpu = null, bool Temporary = false);
