using System.Globalization;
using System.Net;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Measurement;

/// <summary>One flow that iperf3 is to make.</summary>
internal sealed record IperfFlow
{
    public required LabHost Source { get; init; }
    public required LabHost Destination { get; init; }
    public required IPAddress Address { get; init; }

    /// <summary>TCP port that the server listens on; a UDP test uses the same number.</summary>
    public required int Port { get; init; }

    /// <summary>The CPU that the sender is pinned to.</summary>
    public required int Cpu { get; init; }

    /// <summary>The CPU that the receiver is pinned to.</summary>
    public required int ServerCpu { get; init; }
    public required int Seconds { get; init; }
    public required TrafficProtocol Protocol { get; init; }

    /// <summary>Bits per second; null: as fast as it goes.</summary>
    public long? Rate { get; init; }

    /// <summary>Payload of a UDP datagram.</summary>
    public int DatagramLength { get; init; } = 1372;
}

/// <summary>Runs iperf3, a server and a client process for each flow.</summary>
internal sealed class IperfDriver : IAsyncDisposable
{
    private static readonly TimeSpan _listenTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan _endTimeout = TimeSpan.FromSeconds(60);

    private readonly IperfFlow _flow;
    private readonly LabProcess _server;
    private LabProcess? _client;

    private IperfDriver(IperfFlow flow, LabProcess server)
    {
        _flow = flow;
        _server = server;
    }

    /// <summary>The sender's process, once it runs.</summary>
    public int ClientPid => _client?.Pid ?? throw new InvalidOperationException("The client is not started.");

    /// <summary>Starts the server and waits until it listens.</summary>
    public static async Task<IperfDriver> ListenAsync(IperfFlow flow, CancellationToken cancellationToken)
    {
        LabProcess server = flow.Destination.Start(new LabCommand("iperf3",
            "-s", "-1", "-J", "-i", "1", "-B", flow.Address.ToString(), "-p", Text(flow.Port))
        { Cpus = [flow.ServerCpu] });
        var driver = new IperfDriver(flow, server);
        try
        {
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            timeout.CancelAfter(_listenTimeout);
            await driver.WaitUntilListeningAsync(timeout.Token);
            return driver;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            await driver.DisposeAsync();
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"iperf3 did not listen on {flow.Address} port {flow.Port} within {_listenTimeout.TotalSeconds:0} s.");
        }
        catch
        {
            await driver.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the client.</summary>
    public void Start()
    {
        List<string> arguments = ["-c", _flow.Address.ToString(), "-p", Text(_flow.Port), "-J", "-i", "1", "-t", Text(_flow.Seconds), "--connect-timeout", "10000"];
        if (_flow.Protocol == TrafficProtocol.Udp)
            arguments.AddRange(["-u", "-l", Text(_flow.DatagramLength), "-b", Text(_flow.Rate ?? 0)]);
        else if (_flow.Rate is { } rate)
            arguments.AddRange(["-b", Text(rate)]);
        _client = _flow.Source.Start(new LabCommand("iperf3", arguments) { Cpus = [_flow.Cpu] });
    }

    /// <summary>Waits for both ends and reads their reports.</summary>
    public async Task<IperfReport> FinishAsync(CancellationToken cancellationToken)
    {
        LabProcess client = _client ?? throw new InvalidOperationException("The client is not started.");
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(TimeSpan.FromSeconds(_flow.Seconds) + _endTimeout);
        try
        {
            CommandResult sent = await client.WaitAsync(timeout.Token);
            // What the client has to say of a failure comes first: the server may wait for ever for one that never came.
            EnsureSuccess(sent);
            CommandResult received = await _server.WaitAsync(timeout.Token);
            return IperfReport.Parse(sent.Output, received.Output);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable,
                $"iperf3 from {_flow.Source.Name} to {_flow.Destination.Name} on CPU {_flow.Cpu} did not end within {_endTimeout.TotalSeconds:0} s of its {_flow.Seconds} s: the path carries nothing.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_client is not null)
            await _client.DisposeAsync();
        await _server.DisposeAsync();
    }

    private void EnsureSuccess(CommandResult sent)
    {
        try
        {
            IperfReport.EnsureClientSucceeded(sent.Output);
            sent.EnsureSuccess();
        }
        catch (PcpuIpsecException e)
        {
            throw new PcpuIpsecException(e.Error, $"{_flow.Source.Name} to {_flow.Destination.Name}: {e.Message}", e);
        }
    }

    private async Task WaitUntilListeningAsync(CancellationToken cancellationToken)
    {
        string port = ":" + _flow.Port.ToString("X4", CultureInfo.InvariantCulture);
        string file = _flow.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? "tcp6" : "tcp";
        while (!IsListening(_flow.Destination.Namespace.ReadProcNet(file), port))
        {
            if (_server.HasExited)
            {
                CommandResult result = await _server.WaitAsync(cancellationToken);
                throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"'{result.Command}' ended before it listened: {(result.Error + result.Output).Trim()}");
            }
            await Task.Delay(10, cancellationToken);
        }
    }

    // proc(5), /proc/net/tcp: "sl local_address rem_address st …", where state 0A is LISTEN.
    internal static bool IsListening(string procNetTcp, string hexPort)
        => procNetTcp.Split('\n').Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(w => w.Length > 3 && w[3] == "0A" && w[1].EndsWith(hexPort, StringComparison.Ordinal));

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
