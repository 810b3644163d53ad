using PcpuIpsec.Client;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary>The last events, numbered, for readers at any pace.</summary>
internal sealed class EventJournal
{
    public const int Capacity = 1024;

    private readonly Lock _lock = new();
    private readonly Queue<DaemonEvent> _events = new(Capacity);
    private TaskCompletionSource _more = NewSignal();
    private long _last;

    /// <summary>The number of the last event; 0 before the first.</summary>
    public long Last
    {
        get
        {
            lock (_lock)
                return _last;
        }
    }

    public void Add(GatewayEvent e)
    {
        TaskCompletionSource more;
        lock (_lock)
        {
            if (_events.Count == Capacity)
                _events.Dequeue();
            _events.Enqueue(StatusMapping.ToWire(++_last, e));
            more = _more;
            _more = NewSignal();
        }
        more.SetResult();
    }

    /// <summary>The events after one, and when there are more than these.</summary>
    public (IReadOnlyList<DaemonEvent> Events, Task More) After(long id)
    {
        lock (_lock)
            return ([.. _events.Where(e => e.Id > id)], _more.Task);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
