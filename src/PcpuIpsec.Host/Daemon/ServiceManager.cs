using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;

namespace PcpuIpsec.Host.Daemon;

/// <summary>What systemd is told (sd_notify(3)): datagrams to the socket that it names. Without one nothing is said.</summary>
/// <remarks>
/// One that cannot be told is no reason for anything: the daemon goes on, and says so in its log.
/// </remarks>
internal sealed class ServiceManager : IDisposable
{
    private readonly ILogger _log;
    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _manager;

    /// <param name="notifySocket">NOTIFY_SOCKET.</param>
    /// <param name="watchdogMicroseconds">WATCHDOG_USEC.</param>
    /// <param name="log">Told of what could not be said.</param>
    public ServiceManager(string? notifySocket, string? watchdogMicroseconds, ILogger log)
    {
        _log = log;
        if (string.IsNullOrEmpty(notifySocket))
            return;
        // An abstract name begins with a zero, which environments cannot hold.
        _manager = new UnixDomainSocketEndPoint(notifySocket[0] == '@' ? "\0" + notifySocket[1..] : notifySocket);
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        if (long.TryParse(watchdogMicroseconds, NumberStyles.None, CultureInfo.InvariantCulture, out long microseconds) && microseconds > 0)
            WatchdogInterval = TimeSpan.FromMicroseconds(microseconds / 2);
    }

    public static ServiceManager OfEnvironment(ILogger log)
        => new(Environment.GetEnvironmentVariable("NOTIFY_SOCKET"), Environment.GetEnvironmentVariable("WATCHDOG_USEC"), log);

    /// <summary>How often it wants to hear of us; null: not at all.</summary>
    public TimeSpan? WatchdogInterval { get; }

    public void Ready(string status) => Tell($"READY=1\nSTATUS={status}");

    public void Reloading() => Tell(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={Environment.TickCount64 * 1000}"));

    public void Stopping() => Tell("STOPPING=1");

    /// <summary>Says that we live each time that we do, until cancelled.</summary>
    public async Task WatchAsync(Func<CancellationToken, Task> probe, CancellationToken cancellationToken)
    {
        if (WatchdogInterval is not { } interval)
            return;
        using var timer = new PeriodicTimer(interval);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                try
                {
                    await probe(cancellationToken);
                    Tell("WATCHDOG=1");
                }
                catch (PcpuIpsecException)
                {
                    // Not said this time: what the kernel refuses once is asked again, and where it always does we are started anew.
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The daemon stops.
        }
    }

    public void Dispose() => _socket?.Dispose();

    private void Tell(string state)
    {
        try
        {
            _socket?.SendTo(Encoding.UTF8.GetBytes(state), _manager!);
        }
        catch (SocketException e)
        {
            DaemonLog.ManagerNotTold(_log, state.Split('\n')[0], e.Message);
        }
    }
}
