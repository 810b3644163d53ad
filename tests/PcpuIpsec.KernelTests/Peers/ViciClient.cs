using System.Buffers.Binary;
using System.Net.Sockets;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>
/// strongSwan's control socket. By it rather than by swanctl, whose start takes a second or two on emulated CPUs.
/// </summary>
/// <param name="path">The socket.</param>
internal sealed class ViciClient(string path)
{
    // Packet types (strongSwan, src/libcharon/plugins/vici/README.md).
    private const byte CommandRequest = 0, CommandResponse = 1, EventRegister = 3, EventConfirm = 5, Event = 7;

    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(60);

    /// <summary>Gives a command; its answer, whether it succeeded or not.</summary>
    public async Task<ViciSection> TryAsync(string command, ViciSection request)
    {
        (ViciSection response, _) = await AskAsync(command, request, null);
        return response;
    }

    /// <summary>Gives a command that has to succeed.</summary>
    public async Task<ViciSection> CallAsync(string command, ViciSection request)
    {
        ViciSection response = await TryAsync(command, request);
        return response["success"] is null or "yes" ? response : throw new InvalidOperationException($"strongSwan refused {command}: {response["errmsg"]}");
    }

    /// <summary>Gives a command that answers by events.</summary>
    public async Task<IReadOnlyList<ViciSection>> StreamAsync(string command, string eventName)
    {
        (_, IReadOnlyList<ViciSection> events) = await AskAsync(command, [], eventName);
        return events;
    }

    private async Task<(ViciSection Response, IReadOnlyList<ViciSection> Events)> AskAsync(string command, ViciSection request, string? eventName)
    {
        using var timeout = new CancellationTokenSource(_timeout);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), timeout.Token);
        await using var stream = new NetworkStream(socket);
        if (eventName is not null)
        {
            await SendAsync(stream, EventRegister, eventName, null, timeout.Token);
            byte[] confirmed = await ReceiveAsync(stream, timeout.Token);
            if (confirmed[0] != EventConfirm)
                throw new InvalidOperationException($"strongSwan has no event '{eventName}'.");
        }
        await SendAsync(stream, CommandRequest, command, request, timeout.Token);
        List<ViciSection> events = [];
        while (true)
        {
            byte[] packet = await ReceiveAsync(stream, timeout.Token);
            if (packet[0] == Event)
                events.Add(ViciSection.Parse(packet.AsSpan(2 + packet[1])));
            else if (packet[0] == CommandResponse)
                return (ViciSection.Parse(packet.AsSpan(1)), events);
            else
                throw new InvalidOperationException($"strongSwan has no command '{command}'.");
        }
    }

    // length (32 bits) | type (8) | name's length (8) | name | message; a response has no name.
    private static async Task SendAsync(NetworkStream stream, byte type, string name, ViciSection? message, CancellationToken cancellationToken)
    {
        using var packet = new MemoryStream();
        packet.Write(stackalloc byte[4]);
        packet.WriteByte(type);
        ViciSection.WriteName(packet, name);
        message?.Write(packet);
        byte[] bytes = packet.ToArray();
        BinaryPrimitives.WriteInt32BigEndian(bytes, bytes.Length - 4);
        await stream.WriteAsync(bytes, cancellationToken);
    }

    private static async Task<byte[]> ReceiveAsync(NetworkStream stream, CancellationToken cancellationToken)
    {
        byte[] length = new byte[4];
        await stream.ReadExactlyAsync(length, cancellationToken);
        byte[] packet = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
        await stream.ReadExactlyAsync(packet, cancellationToken);
        return packet;
    }
}
