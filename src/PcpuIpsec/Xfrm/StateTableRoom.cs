using PcpuIpsec.DataPlane;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// Room in the kernel's table of states, made before there is traffic. The kernel doubles the table while states are added
/// (xfrm_hash_grow_check in net/xfrm/xfrm_state.c) and never shrinks it, and drops the packets whose state it looks up while it does so
/// (xfrm_state_find: EAGAIN, counted as XfrmOutNoStates). A table begins with 8 places, which the SAs of four CPUs outgrow.
/// </summary>
internal static class StateTableRoom
{
    /// <summary>The kernel doubles by a work of its own: some microseconds, unless the CPU has much else to do.</summary>
    private const int LooksAtMost = 20;

    /// <summary>
    /// Reserves SPIs that nobody uses until the table is large enough, and gives them back.
    /// </summary>
    /// <param name="xfrm">The kernel.</param>
    /// <param name="policy">Whose SAs come.</param>
    /// <param name="cpus">How many CPUs may have SAs of their own.</param>
    /// <param name="support">What the kernel knows.</param>
    public static void Make(XfrmSocket xfrm, TrafficPolicy policy, int cpus, KernelSupport support)
    {
        // Both directions, and twice while all are rekeyed.
        int more = 2 * 2 * (1 + (policy.PerCpu ? cpus : 0));
        XfrmStateTable table = xfrm.StateTable();
        uint before = table.States;
        XfrmState larval = KernelStates.Larval(policy, policy.LocalAddress, policy.RemoteAddress, support);
        List<XfrmStateId> reserved = [];
        try
        {
            while (table.Buckets <= before + more && table.Buckets < table.BucketsAtMost && reserved.Count <= more)
            {
                reserved.Add(new XfrmStateId(larval.Destination, xfrm.AllocateSpi(larval)));
                if (before + reserved.Count >= table.Buckets)
                    table = Grown(xfrm, table);
            }
        }
        finally
        {
            foreach (XfrmStateId id in reserved)
                xfrm.DeleteState(id);
        }
    }

    private static XfrmStateTable Grown(XfrmSocket xfrm, XfrmStateTable table)
    {
        uint before = table.Buckets;
        for (int i = 0; i < LooksAtMost && table.Buckets == before; i++)
        {
            if (i > 0)
                Thread.Sleep(1);
            table = xfrm.StateTable();
        }
        return table;
    }
}
