namespace PcpuIpsec.Host.Daemon;

/// <summary>
/// What requests leave behind. The runtime lets it grow to the size of the CPU's cache, tens of megabytes, before it looks for what is
/// used no more; a daemon that has little to do and runs for years gives it back sooner. Packets leave none. All of it is looked through,
/// since what a large request left would else count as old and stay.
/// </summary>
internal static class RequestGarbage
{
    /// <summary>In bytes; some 80 requests.</summary>
    private const long Enough = 1 << 20;

    /// <summary>In milliseconds, some twenty times what it takes: packets may be waiting meanwhile.</summary>
    private const long LeastPause = 100;

    private static long _allocatedThen;
    private static long _collectedAt;

    /// <summary>Collects it where it is worth that: some milliseconds, since what is in use is little.</summary>
    public static void Collect()
    {
        long now = Environment.TickCount64, before = Interlocked.Read(ref _collectedAt);
        if (now - before < LeastPause)
            return;
        long allocated = GC.GetTotalAllocatedBytes(), then = Interlocked.Read(ref _allocatedThen);
        if (allocated - then < Enough || Interlocked.CompareExchange(ref _collectedAt, now, before) != before)
            return;
        Interlocked.Exchange(ref _allocatedThen, allocated);
        GC.Collect();
    }
}
