using System.Net.Sockets;
using System.Text;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>What a real daemon tells systemd (sd_notify(3)), from its start to its end.</summary>
[Collection("namespaces")]
public sealed class ServiceNotificationTests
{
    [NamespaceFact]
    public async Task It_is_ready_lives_reloads_and_stops()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        string path = Path.Combine(Path.GetTempPath(), $"pcpu-notify-{Environment.ProcessId}");
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(path));
        try
        {
            var environment = new Dictionary<string, string> { ["NOTIFY_SOCKET"] = path, ["WATCHDOG_USEC"] = "400000" };
            await using TestDaemon west = await TestDaemon.StartAsync(network.West, environment);
            Assert.Equal("READY=1\nSTATUS=0 tunnels", await NextAsync(manager));
            Assert.Equal(["WATCHDOG=1", "WATCHDOG=1"], [await NextAsync(manager), await NextAsync(manager)]);

            // A wrong declaration fails the reload; the daemon goes on as it was, and is ready.
            string wrong = Path.Combine(west.TunnelsFolder, "wrong.json");
            File.WriteAllText(wrong, "{");
            west.Signal(Libc.SIGHUP);
            Assert.StartsWith("RELOADING=1\nMONOTONIC_USEC=", await NextAsync(manager, skip: "WATCHDOG=1"));
            Assert.Equal("READY=1\nSTATUS=0 tunnels", await NextAsync(manager, skip: "WATCHDOG=1"));
            await TestDaemon.UntilAsync(() => Task.FromResult(west.Errors.Contains("wrong.json: The JSON has a fault of syntax", StringComparison.Ordinal)));
            File.Delete(wrong);
            Assert.Equal("WATCHDOG=1", await NextAsync(manager));

            Assert.Equal(0, await west.StopAsync());
            Assert.Equal("STOPPING=1", await NextAsync(manager, skip: "WATCHDOG=1"));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static async Task<string> NextAsync(Socket socket, string? skip = null)
    {
        byte[] buffer = new byte[1024];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        string text;
        do
        {
            text = Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer, SocketFlags.None, limit.Token));
        }
        while (text == skip);
        return text;
    }
}
