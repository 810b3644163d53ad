using System.Threading.Channels;
using PcpuIpsec.DataPlane;

namespace PcpuIpsec.Gateway;

/// <summary>Calls of the data plane, one at a time in the order asked for, beside the event loop so that none of them holds it up.</summary>
internal sealed class PlaneQueue : IAsyncDisposable
{
    private readonly Channel<Func<IDataPlane, ValueTask>> _calls = Channel.CreateUnbounded<Func<IDataPlane, ValueTask>>(new UnboundedChannelOptions { SingleReader = true });
    private readonly IDataPlane _plane;
    private readonly Task _running;

    public PlaneQueue(IDataPlane plane)
    {
        _plane = plane;
        _running = Task.Run(RunAsync);
    }

    /// <summary>Queues a call; its outcome is the task's.</summary>
    public Task<T> CallAsync<T>(Func<IDataPlane, ValueTask<T>> call)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        bool queued = _calls.Writer.TryWrite(async plane =>
        {
            try
            {
                result.TrySetResult(await call(plane));
            }
            catch (Exception e)
            {
                result.TrySetException(e);
            }
        });
        return queued ? result.Task : Task.FromException<T>(new ObjectDisposedException(nameof(IpsecGateway)));
    }

    /// <summary>Queues a call without a result.</summary>
    public Task CallAsync(Func<IDataPlane, ValueTask> call) => CallAsync(async plane =>
    {
        await call(plane);
        return true;
    });

    /// <summary>Finishes what is queued.</summary>
    public async ValueTask DisposeAsync()
    {
        _calls.Writer.TryComplete();
        await _running;
    }

    private async Task RunAsync()
    {
        await foreach (Func<IDataPlane, ValueTask> call in _calls.Reader.ReadAllAsync())
            await call(_plane);
    }
}
