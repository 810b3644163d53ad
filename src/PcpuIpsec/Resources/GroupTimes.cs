namespace PcpuIpsec.Resources;

/// <summary>How long a group waits for what; docs/per-cpu-sas.md has them as a table.</summary>
internal static class GroupTimes
{
    /// <summary>
    /// The original responder lets the group be quiet this long, and up to half as long again by chance, before it adds what it
    /// misses: longer than an initiator takes that has much else to do, since what both make has to go again. The fallback carries
    /// all meanwhile. IKE_SA_INIT and IKE_AUTH told how long the way and the initiator's keys take.
    /// </summary>
    public static TimeSpan HoldOff(TimeSpan setupTime)
        => TimeSpan.FromTicks(Math.Clamp(setupTime.Ticks * 10, _holdOffLeast.Ticks, _holdOffMost.Ticks));

    private static readonly TimeSpan _holdOffLeast = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _holdOffMost = TimeSpan.FromSeconds(5);

    /// <summary>Quiet time before duplicates are deleted.</summary>
    public static readonly TimeSpan Settle = TimeSpan.FromSeconds(10);

    /// <summary>
    /// A fallback that IKE_AUTH did not bring: what it brings is told, or that it failed, as soon as the data plane has answered,
    /// which may take seconds on a machine that has other things to do. Where it is told that it failed, the grace after that.
    /// </summary>
    public static readonly TimeSpan FirstFallback = TimeSpan.FromSeconds(30);

    /// <summary>After the failure of IKE_AUTH's, and one that went away. Times five at the original responder, so that one end comes first.</summary>
    public static readonly TimeSpan FallbackGrace = TimeSpan.FromSeconds(3);
    public static readonly TimeSpan FallbackBase = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan FallbackCap = TimeSpan.FromMinutes(1);

    /// <summary>After TEMPORARY_FAILURE.</summary>
    public static readonly TimeSpan TemporaryBase = TimeSpan.FromMilliseconds(500);
    public static readonly TimeSpan TemporaryCap = TimeSpan.FromSeconds(30);

    /// <summary>After any other failure.</summary>
    public static readonly TimeSpan OtherBase = TimeSpan.FromSeconds(2);
    public static readonly TimeSpan OtherCap = TimeSpan.FromMinutes(10);

    /// <summary>After TS_MAX_QUEUE or NO_ADDITIONAL_SAS, unless a Child SA of the group goes away first.</summary>
    public static readonly TimeSpan RefusedBase = TimeSpan.FromMinutes(15);
    public static readonly TimeSpan RefusedCap = TimeSpan.FromHours(2);

    /// <summary>After a per-CPU Child SA went away (RFC 9611 §6: no infinite loop between the peers).</summary>
    public static readonly TimeSpan LossBase = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan LossCap = TimeSpan.FromMinutes(30);

    /// <summary>A Child SA that lived this long was no part of such a loop.</summary>
    public static readonly TimeSpan LossForgotten = TimeSpan.FromMinutes(10);

    /// <summary>For a CPU that went offline again within <see cref="FlapWindow"/>.</summary>
    public static readonly TimeSpan FlapBase = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan FlapCap = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan FlapWindow = TimeSpan.FromMinutes(1);

    /// <summary>How often is looked who uses what, a quarter of the idle time within these; the last where some CPU may need its Child SA back.</summary>
    public static readonly TimeSpan UsageLeast = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan UsageMost = TimeSpan.FromSeconds(15);
    public static readonly TimeSpan ReturnInterval = TimeSpan.FromSeconds(2);

    /// <summary>After a Child SA came back in vain.</summary>
    public static readonly TimeSpan ReturnBase = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan ReturnCap = TimeSpan.FromMinutes(30);

    /// <summary>After an acquire of a CPU that gets no Child SA of its own.</summary>
    public static readonly TimeSpan StrayBase = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan StrayCap = TimeSpan.FromMinutes(10);

    /// <summary>A request or reservation that nobody answered is given up: far longer than any retransmission.</summary>
    public static readonly TimeSpan Unanswered = TimeSpan.FromMinutes(5);

    /// <summary>On demand, an acquire is given up after this many refusals in a row: the next packet raises another.</summary>
    public const int AcquireTries = 5;

    /// <summary>Doubles from the base with every count above one, up to the cap.</summary>
    public static TimeSpan Backoff(TimeSpan start, TimeSpan cap, int count)
    {
        double factor = Math.Pow(2, Math.Clamp(count - 1, 0, 30));
        return start.Ticks * factor >= cap.Ticks ? cap : start * factor;
    }
}
