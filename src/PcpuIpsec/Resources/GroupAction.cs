using PcpuIpsec.Ike;

namespace PcpuIpsec.Resources;

/// <summary>What a group of Child SAs wants done with its Child SAs.</summary>
internal abstract record GroupAction;

/// <summary>Create a Child SA with CREATE_CHILD_SA and SA_RESOURCE_INFO for a CPU (RFC 9611 §3), the trigger packet's selectors first where there was one.</summary>
internal sealed record CreateForCpu(int Cpu, TrafficSelector? TriggerLocal = null, TrafficSelector? TriggerRemote = null) : GroupAction;

/// <summary>Create the fallback anew (it was deleted or expired).</summary>
internal sealed record CreateFallback : GroupAction;

/// <summary>Delete the Child SA with this number.</summary>
internal sealed record DeleteChild(int Number) : GroupAction;

/// <summary>Install the outbound half that was skipped, bound to the CPU.</summary>
internal sealed record BindOutbound(int Number, int Cpu) : GroupAction;

/// <summary>Take the outbound half out of the data plane; the inbound half stays.</summary>
internal sealed record UnbindOutbound(int Number) : GroupAction;

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

/// <summary>Where a Child SA that the peer asks for goes: refused with TS_MAX_QUEUE, or its outbound half bound to a CPU, or (null) skipped.</summary>
internal readonly record struct Placement(bool Refused, int? Cpu);
