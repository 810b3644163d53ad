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

    private static long _allocatedThen;

    /// <summary>Collects it where it is worth that: some milliseconds, since what is in use is little.</summary>
    public static void Collect()
    {
        long allocated = GC.GetTotalAllocatedBytes(), then = Interlocked.Read(ref _allocatedThen);
        if (allocated - then >= Enough && Interlocked.CompareExchange(ref _allocatedThen, allocated, then) == then)
            GC.Collect();
    }
}
