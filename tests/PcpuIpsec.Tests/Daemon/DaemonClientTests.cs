using System.Net.Sockets;
using System.Text;
using PcpuIpsec.Client;

namespace PcpuIpsec.Tests.Daemon;

public sealed class DaemonClientTests
{
    [Theory]
    [InlineData("Pcpu-Ipsec-Api: 2\r\n", "speaks version 2 of its API, and this client version 1: update the older of the two.")]
    [InlineData("", "is no daemon of PcpuIpsec.")]
    public async Task Another_version_of_the_API_is_told_before_its_answer_is_read(string header, string told)
    {
        string folder = Directory.CreateTempSubdirectory("pcpu-client-").FullName, path = Path.Combine(folder, "s.sock");
        try
        {
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen();
            Task answering = AnswerAsync(listener, $"HTTP/1.1 200 OK\r\n{header}Content-Type: application/json\r\nContent-Length: 4\r\n\r\nnull");
            using var client = new DaemonClient(path);

            var e = await Assert.ThrowsAsync<DaemonException>(() => client.GetInfoAsync());

            Assert.Equal(DaemonException.OtherApi, e.Error);
            Assert.EndsWith(told, e.Message);
            Assert.Contains(path, e.Message);
            await answering;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task AnswerAsync(Socket listener, string answer)
    {
        using Socket socket = await listener.AcceptAsync();
        byte[] request = new byte[4096];
        for (int length = 0; !request.AsSpan(0, length).EndsWith("\r\n\r\n"u8);)
            length += await socket.ReceiveAsync(request.AsMemory(length));
        await socket.SendAsync(Encoding.ASCII.GetBytes(answer));
    }
}
