using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Gateway;

/// <summary>A data plane that carries nothing and remembers what it was asked for; its sockets are real ones.</summary>
internal sealed class FakeDataPlane : IDataPlane
{
    private readonly Channel<DataPlaneEvent> _events = Channel.CreateUnbounded<DataPlaneEvent>();
    private uint _lastSpi = 0x1000;
    private int _inside;

    public string Name => "fake";

    public DataPlaneAbilities Abilities { get; init; } = new(true, true, true, true);

    public IReadOnlyList<int> Cpus { get; init; } = [0];

    public ChannelReader<DataPlaneEvent> Events => _events.Reader;

    public ConcurrentQueue<string> Calls { get; } = new();

    public ConcurrentDictionary<(SaDirection, uint), SaInstallation> Installed { get; } = new();

    public ConcurrentDictionary<string, TrafficPolicy> Held { get; } = new();

    public Func<SaInstallation, Exception?> RefuseInstall { get; set; } = _ => null;

    public Exception? RefuseUpdate { get; set; }

    public Func<TrafficPolicy, Exception?> RefuseHold { get; set; } = _ => null;

    /// <summary>Every key that was ever installed.</summary>
    public ConcurrentQueue<byte[]> Keys { get; } = new();

    public bool Disposed { get; private set; }

    public void Raise(DataPlaneEvent e) => _events.Writer.TryWrite(e);

    public void FailEvents(Exception e) => _events.Writer.Complete(e);

    /// <summary>Connections whose traffic a process before this one left held.</summary>
    public Dictionary<string, PriorHold> HeldBefore { get; } = [];

    public async ValueTask<PriorHold> HoldAsync(TrafficPolicy policy, CancellationToken cancellationToken)
    {
        await CallAsync($"hold {policy.Connection}");
        if (RefuseHold(policy) is { } error)
            throw error;
        Held[policy.Connection] = policy;
        return HeldBefore.GetValueOrDefault(policy.Connection);
    }

    public async ValueTask<bool> ReleaseAsync(string connection, CancellationToken cancellationToken)
    {
        await CallAsync($"release {connection}");
        bool wasHeld = Held.TryRemove(connection, out _);
        foreach ((SaDirection, uint) sa in Installed.Where(i => i.Value.Connection == connection).Select(i => i.Key))
            Installed.TryRemove(sa, out _);
        return wasHeld;
    }

    public Socket OpenEncapsulationSocket(IPEndPoint local) => Open(local);

    public Socket OpenIkeSocket(IPEndPoint local) => Open(local);

    public async ValueTask<uint> ReserveSpiAsync(string connection, int? cpu, IPAddress local, IPAddress remote, CancellationToken cancellationToken)
    {
        await CallAsync($"reserve {connection} {cpu}");
        return ++_lastSpi;
    }

    public void ReleaseSpi(uint spi, IPAddress local) => Calls.Enqueue($"release-spi {spi}");

    public async ValueTask InstallAsync(SaInstallation sa, CancellationToken cancellationToken)
    {
        await CallAsync($"install {sa.Direction} {sa.Spi}");
        if (RefuseInstall(sa) is { } error)
            throw error;
        Installed[(sa.Direction, sa.Spi)] = sa with { EncryptionKey = Copy(sa.EncryptionKey), IntegrityKey = Copy(sa.IntegrityKey) };
    }

    public async ValueTask RemoveAsync(string connection, SaDirection direction, uint spi, IPAddress destination, CancellationToken cancellationToken)
    {
        await CallAsync($"remove {direction} {spi}");
        Installed.TryRemove((direction, spi), out _);
    }

    public async ValueTask UpdateRemoteAsync(SaDirection direction, uint spi, IPEndPoint oldRemote, IPEndPoint newRemote, CancellationToken cancellationToken)
    {
        await CallAsync($"update {direction} {spi} {oldRemote} {newRemote}");
        if (RefuseUpdate is { } error)
            throw error;
    }

    public async ValueTask AllowAcquiresAsync(string connection, bool allowed, CancellationToken cancellationToken)
        => await CallAsync($"acquires {connection} {allowed}");

    public IReadOnlyList<SaCounters> ReadSaCounters()
    {
        CounterReads++;
        return [.. Installed.Values.Select(sa => new SaCounters(sa.Direction, sa.Connection, sa.Spi, sa.Cpu, sa.Spi * 10, sa.Spi * 1000, 1, 2, 3, null))];
    }

    /// <summary>How often the counters were read.</summary>
    public int CounterReads { get; private set; }

    public IReadOnlyDictionary<string, long> ReadDropCounters() => new Dictionary<string, long> { ["XfrmInNoStates"] = 7 };

    public ValueTask DisposeAsync()
    {
        Disposed = true;
        _events.Writer.TryComplete();
        return ValueTask.CompletedTask;
    }

    private Secret Copy(Secret key)
    {
        if (key.Length > 0)
            Keys.Enqueue(key.Span.ToArray());
        return Secret.CopyOf(key.Span);
    }

    private static Socket Open(IPEndPoint local)
    {
        // As planes make them: from a descriptor that is non-blocking already.
        int descriptor = Libc.Check(Libc.Socket(Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, 0), "socket");
        var socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
        try
        {
            socket.Bind(local);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // The contract: one call at a time. The yield gives a second caller the chance to show itself.
    private async Task CallAsync(string call)
    {
        Assert.Equal(1, Interlocked.Increment(ref _inside));
        await Task.Yield();
        Calls.Enqueue(call);
        Interlocked.Decrement(ref _inside);
    }
}
