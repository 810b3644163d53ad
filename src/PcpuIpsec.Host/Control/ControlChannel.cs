using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Control;

/// <summary>
/// One gateway behind JSON lines: commands come in, replies and events go out. Commands run side by side, each answered
/// with its id when it is done. Ends at the end of the input, at <c>stop</c> or when cancelled; the gateway is closed then.
/// </summary>
internal sealed class ControlChannel(Stream input, Stream output, ILoggerFactory loggers)
{
    public const string Commands = "start, wait, status, rekey-child, move-child, delete-child, rekey-ike, check, close, remove, stop";

    // A peer of this channel that floods it waits, instead of filling the memory.
    private readonly SemaphoreSlim _running = new(64);
    private readonly Channel<ControlEvent> _out = Channel.CreateBounded<ControlEvent>(new BoundedChannelOptions(4096) { SingleReader = true });

    /// <summary>Serves until the end; the configuration is the first line of the input where none is given.</summary>
    public async Task<int> RunAsync(GatewayConfiguration? configuration, CancellationToken cancellationToken)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task writing = WriteAsync();
        try
        {
            using var reader = new LineReader(input);
            configuration ??= await ReadConfigurationAsync(reader, stopping.Token).ConfigureAwait(false);
            await ServeAsync(configuration, reader, stopping).ConfigureAwait(false);
            return 0;
        }
        catch (PcpuIpsecException e)
        {
            await SendAsync(new() { Event = "failed", Time = DateTimeOffset.UtcNow, Error = e.Error, Message = e.Message }).ConfigureAwait(false);
            return 1;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return 0;
        }
        finally
        {
            _out.Writer.Complete();
            await writing.ConfigureAwait(false);
        }
    }

    private static async Task<GatewayConfiguration> ReadConfigurationAsync(LineReader reader, CancellationToken cancellationToken)
    {
        byte[] line = await ReadLineAsync(reader, cancellationToken).ConfigureAwait(false)
            ?? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "Standard input ended before the configuration: its first line must be the JSON object.");
        try
        {
            return GatewayConfiguration.Parse(line);
        }
        finally
        {
            Array.Clear(line);
        }
    }

    // A read from a pipe cannot be cancelled, only left behind; the process ends after it.
    private static Task<byte[]?> ReadLineAsync(LineReader reader, CancellationToken cancellationToken)
        => reader.ReadAsync(cancellationToken).AsTask().WaitAsync(cancellationToken);

    private async Task ServeAsync(GatewayConfiguration configuration, LineReader reader, CancellationTokenSource stopping)
    {
        IpsecGateway gateway = await configuration.StartAsync(startAction: null, loggers, stopping.Token).ConfigureAwait(false);
        Task forwarding = ForwardAsync(gateway);
        var commands = new HashSet<Task>();
        try
        {
            GatewayStatus status = await gateway.GetStatusAsync(stopping.Token).ConfigureAwait(false);
            await SendAsync(new() { Event = "ready", Time = DateTimeOffset.UtcNow, Message = status.DataPlaneReason, Status = status }).ConfigureAwait(false);

            while (await ReadLineAsync(reader, stopping.Token).ConfigureAwait(false) is { } line)
            {
                if (line.AsSpan().Trim(" \r\t"u8).IsEmpty)
                    continue;
                if (await ParseAsync(line).ConfigureAwait(false) is not { } command)
                    continue;
                if (command.Command == "stop")
                {
                    await SendAsync(Reply(command, "reply")).ConfigureAwait(false);
                    break;
                }
                await _running.WaitAsync(stopping.Token).ConfigureAwait(false);
                commands.RemoveWhere(c => c.IsCompleted);
                commands.Add(ExecuteAsync(gateway, command, stopping.Token));
            }
        }
        finally
        {
            await stopping.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(commands).ConfigureAwait(false);
            await gateway.DisposeAsync().ConfigureAwait(false);
            await forwarding.ConfigureAwait(false);
        }
        await SendAsync(new() { Event = "stopped", Time = DateTimeOffset.UtcNow }).ConfigureAwait(false);
    }

    private async ValueTask<ControlCommand?> ParseAsync(byte[] line)
    {
        try
        {
            if (JsonSerializer.Deserialize<ControlCommand>(line, ControlJson.Options) is { } command)
                return command;
        }
        catch (JsonException)
        {
            // Answered below: the line may be anything, so none of it is repeated.
        }
        await SendAsync(new()
        {
            Event = "failed",
            Time = DateTimeOffset.UtcNow,
            Error = PcpuIpsecError.InvalidOption,
            Message = $"A line on standard input is no command; needed is {{\"id\":1,\"command\":\"status\"}} with one of {Commands}.",
        }).ConfigureAwait(false);
        return null;
    }

    private async Task ExecuteAsync(IpsecGateway gateway, ControlCommand command, CancellationToken cancellationToken)
    {
        ControlEvent reply;
        try
        {
            reply = await AnswerAsync(gateway, command, cancellationToken).ConfigureAwait(false);
        }
        catch (PcpuIpsecException e)
        {
            reply = Reply(command, "failed") with { Error = e.Error, Message = e.Message };
        }
        catch (OperationCanceledException)
        {
            reply = Reply(command, "failed") with { Error = PcpuIpsecError.Aborted, Message = "The gateway is stopping." };
        }
        finally
        {
            _running.Release();
        }
        await SendAsync(reply with { Time = DateTimeOffset.UtcNow }).ConfigureAwait(false);
    }

    private static async Task<ControlEvent> AnswerAsync(IpsecGateway gateway, ControlCommand command, CancellationToken cancellationToken)
    {
        ControlEvent reply = Reply(command, "reply");
        switch (command.Command)
        {
            case "status":
                return reply with { Status = await gateway.GetStatusAsync(cancellationToken).ConfigureAwait(false) };
            case "start":
                await gateway.ConnectAsync(Tunnel(command), cancellationToken).ConfigureAwait(false);
                break;
            case "wait":
                return reply with { TunnelStatus = await gateway.WaitForChildSasAsync(Tunnel(command), cancellationToken).ConfigureAwait(false) };
            case "rekey-child":
                await gateway.RekeyChildSaAsync(Tunnel(command), Number(command), cancellationToken).ConfigureAwait(false);
                break;
            case "move-child":
                await gateway.MoveChildSaAsync(Tunnel(command), Number(command), command.Cpu ?? throw Missing(command, "cpu"), cancellationToken).ConfigureAwait(false);
                break;
            case "delete-child":
                await gateway.DeleteChildSaAsync(Tunnel(command), Number(command), cancellationToken).ConfigureAwait(false);
                break;
            case "rekey-ike":
                await gateway.RekeyIkeSaAsync(Tunnel(command), cancellationToken).ConfigureAwait(false);
                break;
            case "check":
                await gateway.CheckPeerAsync(Tunnel(command), cancellationToken).ConfigureAwait(false);
                break;
            case "close":
                await gateway.CloseTunnelAsync(Tunnel(command), cancellationToken).ConfigureAwait(false);
                break;
            case "remove":
                await gateway.RemoveTunnelAsync(Tunnel(command), cancellationToken).ConfigureAwait(false);
                break;
            default:
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"command = '{command.Command}': allowed are {Commands}.");
        }
        return reply;
    }

    private async Task ForwardAsync(IpsecGateway gateway)
    {
        await foreach (GatewayEvent e in gateway.Events.ConfigureAwait(false))
            await SendAsync(new() { Event = Name(e.Kind), Time = e.Time, Tunnel = e.Tunnel, Message = e.Message, Error = e.Error, ChildSa = e.ChildSa }).ConfigureAwait(false);
    }

    /// <summary>What an event is called on the channel.</summary>
    internal static string Name(GatewayEventKind kind) => kind switch
    {
        GatewayEventKind.TunnelAdded => "tunnel-added",
        GatewayEventKind.TunnelRemoved => "tunnel-removed",
        GatewayEventKind.IkeSaEstablished => "ike-up",
        GatewayEventKind.IkeSaRekeyed => "ike-rekeyed",
        GatewayEventKind.IkeSaClosed => "ike-down",
        GatewayEventKind.IkeSaFailed => "failed",
        GatewayEventKind.ChildSaEstablished => "child-up",
        GatewayEventKind.ChildSaRekeyed => "child-rekeyed",
        GatewayEventKind.ChildSaChanged => "child-changed",
        GatewayEventKind.ChildSaClosed => "child-down",
        GatewayEventKind.ChildSaFailed => "child-failed",
        GatewayEventKind.CpuChanged => "cpu-changed",
        GatewayEventKind.Warning => "warning",
        GatewayEventKind.DataPlaneFailed => "plane-failed",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "An event without a name on the channel."),
    };

    private ValueTask SendAsync(ControlEvent e) => _out.Writer.WriteAsync(e);

    private async Task WriteAsync()
    {
        bool broken = false;
        await foreach (ControlEvent e in _out.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            if (broken)
                continue;
            byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(e, ControlJson.Options), (byte)'\n'];
            try
            {
                await output.WriteAsync(line).ConfigureAwait(false);
                await output.FlushAsync().ConfigureAwait(false);
            }
            catch (IOException)
            {
                // Nobody listens any more. Standard input ends with the listener, and with it the gateway.
                broken = true;
            }
        }
    }

    private static ControlEvent Reply(ControlCommand command, string name)
        => new() { Event = name, Time = DateTimeOffset.UtcNow, Id = command.Id, Tunnel = command.Tunnel };

    private static string Tunnel(ControlCommand command) => command.Tunnel ?? throw Missing(command, "tunnel");

    private static int Number(ControlCommand command) => command.Number ?? throw Missing(command, "number");

    private static PcpuIpsecException Missing(ControlCommand command, string field)
        => new(PcpuIpsecError.InvalidOption, $"The command '{command.Command}' needs the field '{field}'.");
}
