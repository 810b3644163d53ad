using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PcpuIpsec.Host.Daemon;

namespace PcpuIpsec.Tests.Daemon;

public sealed class ServiceManagerTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_is_told_what_the_daemon_does(bool isAbstract)
    {
        string name = $"{Path.GetTempPath()}pcpu-notify-{Environment.ProcessId}-{isAbstract}";
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + name : name));
        using var service = new ServiceManager(isAbstract ? "@" + name : name, "40000", NullLogger.Instance);
        Assert.Equal(TimeSpan.FromMilliseconds(20), service.WatchdogInterval);

        service.Ready("2 tunnels");
        Assert.Equal("READY=1\nSTATUS=2 tunnels", await ReceiveAsync(manager));
        service.Stopping();
        Assert.Equal("STOPPING=1", await ReceiveAsync(manager));

        using var stop = new CancellationTokenSource();
        int probes = 0;
        Task watching = service.WatchAsync(_ => Task.FromResult(++probes), stop.Token);
        Assert.Equal("WATCHDOG=1", await ReceiveAsync(manager));
        Assert.True(probes > 0);
        await stop.CancelAsync();
        await watching;
    }

    [Fact]
    public async Task A_probe_that_fails_once_is_not_the_last()
    {
        string name = $"{Path.GetTempPath()}pcpu-notify-{Environment.ProcessId}-once";
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(name));
        using var service = new ServiceManager(name, "40000", NullLogger.Instance);
        using var stop = new CancellationTokenSource();
        int probes = 0;

        Task watching = service.WatchAsync(_ => ++probes == 1 ? Task.FromException(new PcpuIpsecException(PcpuIpsecError.KernelRefused, "no buffer")) : Task.CompletedTask, stop.Token);

        Assert.Equal("WATCHDOG=1", await ReceiveAsync(manager));
        Assert.True(probes > 1);
        await stop.CancelAsync();
        await watching;
    }

    [Fact]
    public async Task One_that_is_gone_for_a_while_is_told_again()
    {
        string name = $"{Path.GetTempPath()}pcpu-notify-{Environment.ProcessId}-gone";
        using var service = new ServiceManager(name, "40000", NullLogger.Instance);
        using var stop = new CancellationTokenSource();
        int probes = 0;
        Task watching = service.WatchAsync(_ => Task.FromResult(++probes), stop.Token);
        while (Volatile.Read(ref probes) < 3)
            await Task.Delay(5);

        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(name));

        Assert.Equal("WATCHDOG=1", await ReceiveAsync(manager));
        await stop.CancelAsync();
        await watching;
        manager.Dispose();
        service.Stopping();
    }

    [Fact]
    public async Task Where_there_is_none_nothing_is_said()
    {
        using var service = new ServiceManager(null, "1000", NullLogger.Instance);
        Assert.Null(service.WatchdogInterval);
        service.Ready("");
        await service.WatchAsync(_ => throw new InvalidOperationException(), CancellationToken.None);
    }

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        byte[] buffer = new byte[1024];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        return Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer, SocketFlags.None, limit.Token));
    }
}
