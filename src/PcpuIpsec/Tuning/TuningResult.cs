namespace PcpuIpsec.Tuning;

/// <summary>What became of a setting.</summary>
internal enum TuningOutcome
{
    /// <summary>It was changed, and reads so.</summary>
    Changed,

    /// <summary>It was as wanted already.</summary>
    Unchanged,

    /// <summary>It would be changed.</summary>
    Planned,

    /// <summary>The kernel or the driver refused, or it reads otherwise than it was written.</summary>
    Failed,

    /// <summary>The same of what was optional: the rest was done without it.</summary>
    Refused,

    /// <summary>It is of an earlier boot, and the host has it otherwise since.</summary>
    UndoneByBoot,

    /// <summary>It is not there any more: its interface or queue has gone.</summary>
    Gone,

    /// <summary>For people to do: it is not changed.</summary>
    Advice,
}

/// <summary>A setting that was changed or put back.</summary>
/// <param name="Key">The setting.</param>
/// <param name="Before">What it was; null where it was not there.</param>
/// <param name="After">What it is now, or would be; null where it is not there.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Reason">Why it failed, or what is to be known; null where there is nothing to say.</param>
internal sealed record TuningResult(string Key, string? Before, string? After, TuningOutcome Outcome, string? Reason = null)
{
    /// <summary>What it was wished for.</summary>
    public string? Why { get; init; }
}
