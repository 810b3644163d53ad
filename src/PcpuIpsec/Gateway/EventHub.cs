using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace PcpuIpsec.Gateway;

/// <summary>Hands every event to every reader; a reader that comes later first gets the last ones before it.</summary>
internal sealed class EventHub : IAsyncEnumerable<GatewayEvent>
{
    public const int Backlog = 256;
    public const int ReaderCapacity = 4096;

    private readonly Lock _lock = new();
    private readonly Queue<GatewayEvent> _backlog = new(Backlog);
    private readonly List<Channel<GatewayEvent>> _readers = [];
    private bool _completed;

    public void Publish(GatewayEvent e)
    {
        lock (_lock)
        {
            if (_completed)
                return;
            if (_backlog.Count == Backlog)
                _backlog.Dequeue();
            _backlog.Enqueue(e);
            foreach (Channel<GatewayEvent> reader in _readers)
                reader.Writer.TryWrite(e);
        }
    }

    /// <summary>Ends every enumeration, once its reader has what was published.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            _completed = true;
            foreach (Channel<GatewayEvent> reader in _readers)
                reader.Writer.TryComplete();
        }
    }

    /// <summary>Subscribes at this call, not at the first move.</summary>
    public IAsyncEnumerator<GatewayEvent> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        var reader = Channel.CreateBounded<GatewayEvent>(new BoundedChannelOptions(ReaderCapacity) { FullMode = BoundedChannelFullMode.DropOldest });
        lock (_lock)
        {
            foreach (GatewayEvent e in _backlog)
                reader.Writer.TryWrite(e);
            if (_completed)
                reader.Writer.TryComplete();
            else
                _readers.Add(reader);
        }
        return ReadAsync(reader, cancellationToken).GetAsyncEnumerator(CancellationToken.None);
    }

    private async IAsyncEnumerable<GatewayEvent> ReadAsync(Channel<GatewayEvent> reader, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            await foreach (GatewayEvent e in reader.Reader.ReadAllAsync(cancellationToken))
                yield return e;
        }
        finally
        {
            lock (_lock)
                _readers.Remove(reader);
        }
    }
}
