namespace PcpuIpsec.Tuning;

/// <summary>What a setting is to be.</summary>
/// <param name="Key">The setting.</param>
/// <param name="Value">What it is to be.</param>
/// <param name="Why">For whoever decides.</param>
/// <param name="IsOptional">One that is refused spoils nothing else: a profile takes what there is.</param>
internal sealed record Wish(string Key, string Value, string Why, bool IsOptional = false)
{
    /// <summary>
    /// Settings that the change may alter too, as a driver that is given other channels sets its IRQs anew: noted before, so
    /// that they are put back after it is.
    /// </summary>
    public IReadOnlyList<string> Disturbs { get; init; } = [];
}
