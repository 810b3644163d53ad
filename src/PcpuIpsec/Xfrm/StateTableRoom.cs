using System.Diagnostics;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// Room in the kernel's table of states, made before there is traffic. The kernel doubles the table while states are added
/// (xfrm_hash_grow_check in net/xfrm/xfrm_state.c) and never shrinks it, and drops the packets whose state it looks up while it does so
/// (xfrm_state_find: EAGAIN, counted as XfrmOutNoStates). A table begins with 8 places, which the SAs of four CPUs outgrow.
/// </summary>
internal static class StateTableRoom
{
    /// <summary>More would take longer than they spare: the kernel looks through all of them for each.</summary>
    private const int ReservedAtMost = 4096;

    /// <summary>The plane waits meanwhile. The kernel doubles by a work of its own, which is over in milliseconds.</summary>
    private static readonly TimeSpan _limit = TimeSpan.FromMilliseconds(500);

    /// <summary>The most states that a tunnel has: in both directions the fallback and its rekey, and of each CPU, and of what the peer makes beyond.</summary>
    public static int NeededBy(TrafficPolicy policy, int cpus) => 2 * (2 + (policy.PerCpu ? policy.PerCpuSasAtMost + cpus : 0));

    /// <summary>Reserves SPIs that nobody uses until the table is large enough, and gives them back.</summary>
    /// <param name="xfrm">The kernel.</param>
    /// <param name="larval">What the SPIs are reserved for.</param>
    /// <param name="ours">States that the tunnels of this process have now.</param>
    /// <param name="needed">States that they will have at most.</param>
    /// <returns>Whether there is room; else the kernel was too slow, or it is too much.</returns>
    public static bool Make(XfrmSocket xfrm, XfrmState larval, int ours, int needed)
    {
        long began = Stopwatch.GetTimestamp();
        XfrmStateTable table = xfrm.StateTable();
        long before = table.States, wanted = Math.Max(before - ours, 0) + needed;
        List<XfrmStateId> reserved = [];
        try
        {
            while (table.Buckets <= wanted && table.Buckets < table.BucketsAtMost)
            {
                if (reserved.Count == ReservedAtMost || Stopwatch.GetElapsedTime(began) > _limit)
                    return false;
                // The kernel looks whether a state that is added is more than there are places, and not alone in its own.
                if (reserved.Count < 2 || before + reserved.Count < table.Buckets)
                {
                    reserved.Add(new XfrmStateId(larval.Destination, xfrm.AllocateSpi(larval)));
                    if (reserved.Count < 2 || before + reserved.Count < table.Buckets)
                        continue;
                }
                else
                {
                    Thread.Sleep(1);
                }
                table = xfrm.StateTable();
            }
            return true;
        }
        finally
        {
            foreach (XfrmStateId id in reserved)
                Forget(xfrm, id);
        }
    }

    /// <summary>One that stays goes by itself, when the kernel gives an acquire up.</summary>
    private static void Forget(XfrmSocket xfrm, XfrmStateId id)
    {
        try
        {
            xfrm.DeleteState(id);
        }
        catch (NetlinkException)
        {
            // The others are still to be deleted, and why it began to fail is what the caller is told.
        }
    }
}
