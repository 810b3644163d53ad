using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace PcpuIpsec.Gateway;

/// <summary>
/// The one place where the gateway's state is touched: work from any thread, done one piece at a time in the order posted,
/// and a wake-up call at a point of its monotonic clock.
/// </summary>
internal sealed class EventLoop : IAsyncDisposable
{
    // The longest that a timer takes is 49 days; a wake-up that comes early does nothing and sets the next.
    private static readonly TimeSpan _longestWait = TimeSpan.FromDays(1);

    private const int BatchSize = 64;

    private readonly Channel<Action> _work = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly long _origin = Stopwatch.GetTimestamp();
    private readonly EdgeCounters _counters;
    private readonly ILogger _log;
    private readonly Timer _timer;
    private Action? _afterBatch;
    private Task _running = Task.CompletedTask;

    public EventLoop(EdgeCounters counters, ILogger log)
    {
        _counters = counters;
        _log = log;
        _timer = new Timer(static loop => ((EventLoop)loop!).Post(static () => { }), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>Monotonic time since the loop was made.</summary>
    public TimeSpan Now => Stopwatch.GetElapsedTime(_origin);

    /// <summary>Starts the loop.</summary>
    /// <param name="afterBatch">Run after every few pieces of work and every wake-up; it looks after what is due.</param>
    public void Start(Action afterBatch)
    {
        _afterBatch = afterBatch;
        _running = Task.Run(RunAsync);
    }

    /// <summary>Has work done on the loop.</summary>
    /// <returns>False where the loop has ended; the work will not be done.</returns>
    public bool Post(Action work) => _work.Writer.TryWrite(work);

    /// <summary>Has a question answered on the loop; what it throws goes to the asker.</summary>
    public Task<T> AskAsync<T>(Func<T> question, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        bool posted = Post(() =>
        {
            try
            {
                answer.TrySetResult(question());
            }
            catch (Exception e)
            {
                answer.TrySetException(e);
            }
        });
        return posted ? answer.Task.WaitAsync(cancellationToken) : Task.FromException<T>(new ObjectDisposedException(nameof(IpsecGateway)));
    }

    /// <summary>Wakes the loop at a point of its clock; null: not at all. Called on the loop.</summary>
    public void WakeAt(TimeSpan? time)
    {
        if (time is not { } at)
        {
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            return;
        }
        TimeSpan wait = at - Now;
        // Rounded up: the timer counts whole milliseconds, and one that fires early would spin.
        long milliseconds = wait <= TimeSpan.Zero ? 0 : (long)Math.Ceiling(Math.Min(wait.TotalMilliseconds, _longestWait.TotalMilliseconds));
        _timer.Change(milliseconds, Timeout.Infinite);
    }

    public async ValueTask DisposeAsync()
    {
        _work.Writer.TryComplete();
        await _running;
        await _timer.DisposeAsync();
    }

    private async Task RunAsync()
    {
        while (await _work.Reader.WaitToReadAsync())
        {
            // What is due is looked after in between too: a flood of datagrams must not hold up retransmission.
            for (int done = 0; done < BatchSize && _work.Reader.TryRead(out Action? work); done++)
                Guarded(work);
            Guarded(_afterBatch!);
        }
    }

    /// <summary>The last line of defence: a fault in handling one event must not end protection and rekeying of all tunnels.</summary>
    public void Guarded(Action work)
    {
        try
        {
            work();
        }
        catch (Exception e)
        {
            _counters.Fault();
            GatewayLog.Fault(_log, e);
        }
    }
}
