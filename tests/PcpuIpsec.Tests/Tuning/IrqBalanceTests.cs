using System.Net.Sockets;
using System.Text;
using PcpuIpsec.Tuning;

namespace PcpuIpsec.Tests.Tuning;

public sealed class IrqBalanceTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pcpu-irqb-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task It_tells_what_it_leaves_alone_and_takes_another_list()
    {
        // As irqbalance 1.9.2 answers.
        await using var server = new Server(Path.Combine(_folder.FullName, "irqbalance123.sock"), "SLEEP 10 IRQ 27 LOAD 0 DIFF 0 CLASS 0 IRQ 9 LOAD 12 DIFF 1 CLASS 4 BANNED 00000000,00000000");
        var setting = new IrqBalance(_folder.FullName);
        Assert.True(setting.IsRunning);
        Assert.Equal("9 27", setting.Read());
        Assert.Equal("9 24 27", IrqBalance.With("9 27", [24, 27]));
        setting.Write("9 24 27");
        setting.Write("");
        Assert.Equal(["setup", "settings ban irqs 9 24 27", "settings ban irqs NONE"], await server.EndAsync());
    }

    [Fact]
    public void It_is_not_there_where_none_runs_and_where_it_was_killed()
    {
        Assert.Null(new IrqBalance(_folder.FullName).Read());
        Assert.Null(new IrqBalance(_folder.FullName + "/none").Read());
        File.WriteAllText(Path.Combine(_folder.FullName, "irqbalance9.sock"), "");
        Assert.Null(new IrqBalance(_folder.FullName).Read());
        Assert.Throws<PcpuIpsecException>(() => new IrqBalance(_folder.FullName).Write("1"));
    }

    private sealed class Server : IAsyncDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private readonly List<string> _asked = [];
        private readonly Task _serving;

        public Server(string path, string setup)
        {
            _socket.Bind(new UnixDomainSocketEndPoint(path));
            _socket.Listen();
            _serving = Task.Run(async () =>
            {
                byte[] buffer = new byte[512];
                while (true)
                {
                    using Socket client = await _socket.AcceptAsync();
                    int length = await client.ReceiveAsync(buffer);
                    if (length == 0)
                        continue;
                    string request = Encoding.ASCII.GetString(buffer, 0, length);
                    lock (_asked)
                        _asked.Add(request);
                    if (request == "setup")
                        await client.SendAsync(Encoding.ASCII.GetBytes(setup));
                }
            });
        }

        public async Task<IReadOnlyList<string>> EndAsync()
        {
            await DisposeAsync();
            return _asked;
        }

        public async ValueTask DisposeAsync()
        {
            _socket.Dispose();
            await Assert.ThrowsAnyAsync<Exception>(() => _serving);
        }
    }
}
