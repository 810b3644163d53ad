using System.Diagnostics;
using System.Globalization;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Guest;

/// <summary>
/// Watches /proc/net/xfrm_stat of hosts from now on: every counter there is an error's. It is read ten times a second, so that
/// what is reported says when each error came.
/// </summary>
internal sealed class XfrmErrors : IAsyncDisposable
{
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(100);

    private readonly IReadOnlyList<LabHost> _hosts;
    private readonly Dictionary<LabHost, IReadOnlyDictionary<string, long>> _first = [];
    private readonly Dictionary<LabHost, IReadOnlyDictionary<string, long>> _last = [];
    private readonly List<string> _changes = [];
    private readonly Stopwatch _since = Stopwatch.StartNew();
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _sampling;

    public XfrmErrors(params IReadOnlyList<LabHost> hosts)
    {
        _hosts = hosts;
        foreach (LabHost host in hosts)
            _first[host] = _last[host] = Read(host);
        _sampling = Task.Run(SampleAsync);
    }

    /// <summary>How much each counter that grew has grown, by host and the kernel's name for it: "west XfrmOutNoStates".</summary>
    public IReadOnlyDictionary<string, long> Grown()
    {
        lock (_lock)
        {
            Sample();
            return _hosts
                .SelectMany(h => _last[h].Select(c => (Name: $"{h.Name} {c.Key}", Growth: c.Value - _first[h].GetValueOrDefault(c.Key))))
                .Where(c => c.Growth != 0)
                .ToDictionary(c => c.Name, c => c.Growth);
        }
    }

    /// <summary>A line for each growth: when, where, what, by how much.</summary>
    public string Timeline()
    {
        lock (_lock)
            return string.Join('\n', _changes);
    }

    /// <summary>Fails where any counter has grown.</summary>
    public void AssertNone() => Assert.True(Grown().Count == 0, "XFRM errors:\n" + Timeline());

    /// <summary>The counters of a host now.</summary>
    public static IReadOnlyDictionary<string, long> Read(LabHost host)
    {
        var counters = new Dictionary<string, long>();
        foreach (string line in host.Namespace.ReadProcNet("xfrm_stat").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            counters.Add(words[0], long.Parse(words[1], CultureInfo.InvariantCulture));
        }
        return counters;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _sampling;
        _stop.Dispose();
    }

    private async Task SampleAsync()
    {
        using var timer = new PeriodicTimer(_interval);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                lock (_lock)
                    Sample();
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private void Sample()
    {
        foreach (LabHost host in _hosts)
        {
            IReadOnlyDictionary<string, long> now = Read(host);
            foreach ((string name, long value) in now)
            {
                if (value - _last[host].GetValueOrDefault(name) is not 0 and var growth)
                    _changes.Add(string.Create(CultureInfo.InvariantCulture, $"{_since.Elapsed.TotalSeconds,8:F2} s  {host.Name,-8} {name} +{growth}"));
            }
            _last[host] = now;
        }
    }
}
