using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace PcpuIpsec.Lab;

/// <summary>
/// Starts all children from one thread that lives as long as we do: PR_SET_PDEATHSIG fires when the thread that made the
/// child ends, not the process, and a pool thread ends whenever it has been idle for a while (prctl(2)).
/// </summary>
internal static class ProcessStarter
{
    private static readonly Lazy<BlockingCollection<Action>> _queue = new(StartThread);

    public static Process Start(ProcessStartInfo info)
    {
        Process? process = null;
        ExceptionDispatchInfo? failure = null;
        using var done = new ManualResetEventSlim();
        _queue.Value.Add(() =>
        {
            try
            {
                process = Process.Start(info);
            }
            catch (Exception e) // Rethrown on the caller's thread, just below.
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
            done.Set();
        });
        done.Wait();
        failure?.Throw();
        return process ?? throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{info.FileName} could not be started.");
    }

    private static BlockingCollection<Action> StartThread()
    {
        var queue = new BlockingCollection<Action>();
        new Thread(() =>
        {
            foreach (Action action in queue.GetConsumingEnumerable())
                action();
        })
        { IsBackground = true, Name = "process starter" }.Start();
        return queue;
    }
}
