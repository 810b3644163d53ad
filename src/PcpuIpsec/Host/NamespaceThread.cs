using System.Collections.Concurrent;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Host;

/// <summary>
/// A thread that stays in one network namespace, that of its creator or a named one. Sockets opened and threads started on it
/// belong to that namespace whichever thread asked: setns(2) is per thread, and asynchronous code changes threads.
/// </summary>
internal sealed class NamespaceThread : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;

    /// <param name="path">The namespace's file; null stays in the creator's.</param>
    public NamespaceThread(string? path)
    {
        _thread = new Thread(Run) { IsBackground = true, Name = "pcpu-netns" };
        _thread.Start();
        if (path is not null)
        {
            try
            {
                Run(() => Enter(path));
            }
            catch
            {
                Dispose();
                throw;
            }
        }
    }

    /// <summary>Runs something on the thread and waits for it; its exception comes back.</summary>
    public T Run<T>(Func<T> action)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
        {
            try
            {
                result.SetResult(action());
            }
            catch (Exception e)
            {
                result.SetException(e);
            }
        });
        return result.Task.GetAwaiter().GetResult();
    }

    /// <summary>Runs something on the thread and waits for it.</summary>
    public void Run(Action action) => Run(() =>
    {
        action();
        return true;
    });

    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join();
        _work.Dispose();
    }

    private void Run()
    {
        foreach (Action action in _work.GetConsumingEnumerable())
            action();
    }

    private static void Enter(string path)
    {
        int fd = Libc.Check(Libc.Open(path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0), $"Cannot open the network namespace {path}");
        try
        {
            Libc.Check(Libc.SetNs(fd, Libc.CLONE_NEWNET), $"Cannot enter the network namespace {path}");
        }
        finally
        {
            Libc.Close(fd);
        }
    }
}
