using System.Globalization;
using System.Net;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Measurement;

/// <summary>Pings from several CPUs at once, through a set-up, to count what is lost from a moment on.</summary>
internal sealed class PingFlood : IAsyncDisposable
{
    private readonly LabHost _source;
    private readonly IPAddress _address;
    private readonly TimeSpan _interval;
    private readonly List<Sender> _senders = [];
    private volatile bool _stopping;

    private PingFlood(LabHost source, IPAddress address, TimeSpan interval)
    {
        _source = source;
        _address = address;
        _interval = interval;
    }

    public int Senders => _senders.Count;

    public TimeSpan Interval => _interval;

    /// <summary>Starts one ping a CPU, pinned to it.</summary>
    public static PingFlood Start(LabHost source, IPAddress address, IEnumerable<int> cpus, TimeSpan interval)
    {
        var flood = new PingFlood(source, address, interval);
        foreach (int cpu in cpus)
            flood._senders.Add(new Sender(flood, cpu));
        return flood;
    }

    /// <summary>True once every CPU's ping was answered at least once.</summary>
    public bool AllAnswered => _senders.TrueForAll(s => s.AnyAnswer);

    /// <summary>Stops all and counts.</summary>
    /// <param name="moment">From when on a loss counts.</param>
    public async Task<PingLoss> StopAsync(DateTimeOffset moment)
    {
        _stopping = true;
        PingLoss[] losses = await Task.WhenAll(_senders.Select(s => s.StopAsync(moment)));
        return losses.Aggregate((a, b) => a + b);
    }

    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        foreach (Sender sender in _senders)
            await sender.DisposeAsync();
    }

    /// <summary>One CPU's ping. It is started again while there is no route: ping gives up on that at once.</summary>
    private sealed class Sender : IAsyncDisposable
    {
        // What came within the last 200 ms before the end may still be under way.
        private static readonly TimeSpan _underway = TimeSpan.FromMilliseconds(200);

        private readonly Lock _lock = new();
        private readonly List<PingLog> _logs = [];
        private readonly Task _running;
        private LabProcess? _process;

        public Sender(PingFlood flood, int cpu) => _running = Task.Run(() => RunAsync(flood, cpu));

        public bool AnyAnswer
        {
            get
            {
                lock (_lock)
                    return _logs.Exists(l => l.AnyAnswer);
            }
        }

        public async Task<PingLoss> StopAsync(DateTimeOffset moment)
        {
            await EndAsync();
            lock (_lock)
                return _logs.Select(l => l.Since(moment, _underway)).Aggregate(new PingLoss(0, 0, 0), (a, b) => a + b);
        }

        public async ValueTask DisposeAsync() => await EndAsync();

        private Task EndAsync()
        {
            lock (_lock)
                _process?.Signal(Libc.SIGINT);
            return _running;
        }

        private async Task RunAsync(PingFlood flood, int cpu)
        {
            while (!flood._stopping)
            {
                var log = new PingLog();
                lock (_lock)
                    _logs.Add(log);
                string interval = flood._interval.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
                await using LabProcess process = flood._source.Start(new LabCommand("ping", "-D", "-O", "-n", "-i", interval, flood._address.ToString())
                {
                    Cpus = [cpu],
                    OnOutputLine = line =>
                    {
                        lock (_lock)
                            log.Add(line);
                    },
                });
                lock (_lock)
                    _process = process;
                // Stopped between the loop's test and now: nobody has signalled this one.
                if (flood._stopping)
                    process.Signal(Libc.SIGINT);
                await process.WaitAsync(CancellationToken.None);
                lock (_lock)
                    _process = null;
                if (!flood._stopping)
                    await Task.Delay(10);
            }
        }
    }
}
