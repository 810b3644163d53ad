using System.Net.Sockets;
using System.Text;
using PcpuIpsec.Client;

namespace PcpuIpsec.Tests.Daemon;

public sealed class DaemonClientTests
{
    private const string Tunnel = """{"name":"t","state":"down","definition":{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2"},"childSas":[]}""";

    [Theory]
    [InlineData("Pcpu-Ipsec-Api: 2\r\n", "speaks version 2 of its API, and this client version 1: update the older of the two.")]
    [InlineData("", "is no daemon of PcpuIpsec.")]
    public async Task Another_version_of_the_API_is_told_before_its_answer_is_read(string header, string told)
    {
        DaemonException e = await FailAsync($"HTTP/1.1 200 OK\r\n{header}Content-Type: application/json\r\nContent-Length: 4\r\n\r\nnull", client => client.GetInfoAsync());

        Assert.Equal(DaemonException.OtherApi, e.Error);
        Assert.EndsWith(told, e.Message);
    }

    [Theory]
    [InlineData("application/json", "{")]
    [InlineData("application/json", "null")]
    [InlineData("application/json", "[]")]
    [InlineData("application/json", """{"name":"t"}""")]
    [InlineData("application/json", "\u00ff")]
    [InlineData("application/json; charset=none", "{")]
    [InlineData("text/html", "<html>")]
    public async Task An_answer_that_cannot_be_read_is_a_protocol_violation(string type, string body)
        => Assert.Equal("protocol-violation", (await FailAsync(Answer("200 OK", type, body), client => client.GetTunnelAsync("t"))).Error);

    [Fact]
    public async Task A_word_that_this_version_does_not_know_is_a_protocol_violation()
        => Assert.Equal("protocol-violation", (await FailAsync(Answer("200 OK", "application/json", Tunnel.Replace("down", "sideways")), client => client.GetTunnelAsync("t"))).Error);

    [Theory]
    [InlineData("application/problem+json", "{")]
    [InlineData("application/problem+json", "null")]
    [InlineData("application/problem+json; charset=none", "[]")]
    [InlineData("text/html", "<html>")]
    public async Task A_failure_whose_reason_cannot_be_read_is_a_protocol_violation(string type, string body)
    {
        DaemonException e = await FailAsync(Answer("500 Internal Server Error", type, body), client => client.GetTunnelAsync("t"));

        Assert.Equal("protocol-violation", e.Error);
        Assert.Contains("500", e.Message);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("""{"id":1}""")]
    public async Task An_event_that_cannot_be_read_is_a_protocol_violation(string data)
    {
        DaemonException e = await FailAsync(Answer("200 OK", "text/event-stream", $"id: 1\ndata: {data}\n\n"), async client =>
        {
            await foreach (DaemonEvent _ in client.FollowEventsAsync())
            {
            }
        });

        Assert.Equal("protocol-violation", e.Error);
    }

    [Fact]
    public async Task An_answer_is_UTF_8_whatever_it_claims()
    {
        Tunnel? tunnel = null;
        await AskAsync(Answer("200 OK", "application/json; charset=none", Tunnel), async client => tunnel = await client.GetTunnelAsync("t"));

        Assert.Equal("t", tunnel!.Name);
    }

    public static TheoryData<TunnelDefinition, string> Unwritable()
    {
        var definition = new TunnelDefinition { Name = "t", LocalAddress = "10.0.0.1", RemoteAddress = "10.0.0.2" };
        return new()
        {
            { definition with { ChildRekeySeconds = double.NaN }, "childRekeySeconds: 'NaN'" },
            { definition with { IkeRekeySeconds = double.PositiveInfinity }, "ikeRekeySeconds: 'Infinity'" },
            { definition with { LivenessSeconds = double.NaN }, "livenessSeconds" },
            { definition with { RetransmitGiveUpSeconds = double.NaN }, "retransmitGiveUpSeconds" },
            { definition with { PerCpu = new PerCpuDefinition { IdleSeconds = double.NegativeInfinity } }, "perCpu.idleSeconds" },
            { definition with { Mode = (TunnelMode)7 }, "definition of t" },
        };
    }

    [Theory]
    [MemberData(nameof(Unwritable), DisableDiscoveryEnumeration = true)]
    public async Task What_JSON_has_not_is_an_invalid_option(TunnelDefinition definition, string told)
    {
        using var client = new DaemonClient("/nowhere");

        var e = await Assert.ThrowsAsync<DaemonException>(() => client.CreateTunnelAsync(definition));

        Assert.Equal("invalid-option", e.Error);
        Assert.Contains(told, e.Message);
    }

    private static string Answer(string status, string type, string body)
        => $"HTTP/1.1 {status}\r\nPcpu-Ipsec-Api: 1\r\nContent-Type: {type}\r\nContent-Length: {body.Length}\r\n\r\n{body}";

    private static async Task<DaemonException> FailAsync(string answer, Func<DaemonClient, Task> ask)
    {
        DaemonException? fault = null;
        await AskAsync(answer, async client =>
        {
            fault = await Assert.ThrowsAsync<DaemonException>(() => ask(client));
            Assert.Contains(client.SocketPath, fault.Message);
        });
        return fault!;
    }

    /// <summary>Asks a daemon that answers one request by these bytes.</summary>
    private static async Task AskAsync(string answer, Func<DaemonClient, Task> ask)
    {
        string folder = Directory.CreateTempSubdirectory("pcpu-client-").FullName, path = Path.Combine(folder, "s.sock");
        try
        {
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen();
            Task answering = AnswerAsync(listener, answer);
            using var client = new DaemonClient(path);
            await ask(client);
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
        await socket.SendAsync(Encoding.Latin1.GetBytes(answer));
    }
}
