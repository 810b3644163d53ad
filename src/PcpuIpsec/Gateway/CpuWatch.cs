using Microsoft.Extensions.Logging;

namespace PcpuIpsec.Gateway;

/// <summary>Follows CPUs that go offline and come online, by asking the kernel once a second.</summary>
internal sealed class CpuWatch : IAsyncDisposable
{
    private readonly PeriodicTimer _timer;
    private readonly Task _running;

    /// <summary>Starts to watch.</summary>
    /// <param name="cpus">The CPUs that matter.</param>
    /// <param name="readOnline">Reads the online CPUs.</param>
    /// <param name="interval">How often.</param>
    /// <param name="changed">Told of each change.</param>
    /// <param name="log">The log.</param>
    public CpuWatch(IReadOnlyList<int> cpus, Func<IReadOnlyList<int>> readOnline, TimeSpan interval, Action<int, bool> changed, ILogger log)
    {
        _timer = new PeriodicTimer(interval);
        _running = RunAsync(cpus, readOnline, changed, log);
    }

    public async ValueTask DisposeAsync()
    {
        _timer.Dispose();
        await _running;
    }

    private async Task RunAsync(IReadOnlyList<int> cpus, Func<IReadOnlyList<int>> readOnline, Action<int, bool> changed, ILogger log)
    {
        var online = cpus.ToDictionary(cpu => cpu, _ => true);
        while (await _timer.WaitForNextTickAsync())
        {
            IReadOnlyList<int> now;
            try
            {
                now = readOnline();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or PcpuIpsecException)
            {
                GatewayLog.CpuWatchFailed(log, e.Message);
                continue;
            }
            foreach (int cpu in cpus)
            {
                bool isOnline = now.Contains(cpu);
                if (online[cpu] == isOnline)
                    continue;
                online[cpu] = isOnline;
                changed(cpu, isOnline);
            }
        }
    }
}
