using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Host;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Sends and receives from threads within namespaces.</summary>
internal static class TestTraffic
{
    public const int Port = 9000;

    public static Socket Open(NamespaceThread inside, IPAddress local, int port = 0, SocketType type = SocketType.Dgram)
        => inside.Run(() =>
        {
            var socket = new Socket(local.AddressFamily, type, type == SocketType.Dgram ? ProtocolType.Udp : ProtocolType.Tcp);
            socket.ReceiveBufferSize = 4 << 20;
            socket.Bind(new IPEndPoint(local, port));
            return socket;
        });

    /// <summary>Sends datagrams from a thread that is pinned to a CPU.</summary>
    public static void SendPinned(int cpu, Socket socket, IPEndPoint to, int count, int length)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                HostCpus.PinCurrentThread(cpu);
                byte[] datagram = new byte[length];
                for (int i = 0; i < count; i++)
                {
                    socket.SendTo(datagram, to);
                    if (i % 32 == 31)
                        Thread.Sleep(1);
                }
            }
            catch (SocketException e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
            throw new InvalidOperationException($"Sending to {to} failed: {failure.Message}", failure);
    }

    /// <summary>Receives datagrams until there are as many, or none comes for a while.</summary>
    /// <returns>How many came, and their bytes.</returns>
    public static (int Count, long Bytes) Receive(Socket socket, int count, int patienceMilliseconds = 5000)
    {
        socket.ReceiveTimeout = patienceMilliseconds;
        byte[] buffer = new byte[65536];
        int received = 0;
        long bytes = 0;
        try
        {
            while (received < count)
            {
                bytes += socket.Receive(buffer);
                received++;
            }
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
        {
        }
        return (received, bytes);
    }

    /// <summary>True where nothing comes within the time in which what was sent would long have come.</summary>
    public static bool ReceivesNothing(Socket socket) => Receive(socket, 1, patienceMilliseconds: 300).Count == 0;

    /// <summary>Carries bytes over one TCP connection.</summary>
    /// <returns>True where they arrived as they were sent.</returns>
    public static async Task<bool> TransferAsync(NamespaceThread from, IPAddress source, NamespaceThread to, IPAddress destination, int length)
    {
        using Socket listener = Open(to, destination, Port, SocketType.Stream);
        listener.Listen();
        using Socket client = Open(from, source, 0, SocketType.Stream);
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        Task<Socket> accepting = listener.AcceptAsync(timeout.Token).AsTask();
        await client.ConnectAsync(new IPEndPoint(destination, Port), timeout.Token);
        using Socket server = await accepting;
        byte[] sent = new byte[length];
        new Random(1).NextBytes(sent);
        byte[] received = new byte[length];
        async Task SendAsync()
        {
            await client.SendAsync(sent, SocketFlags.None, timeout.Token);
            client.Shutdown(SocketShutdown.Send);
        }
        Task sending = SendAsync();
        int total = 0;
        while (total < length)
        {
            int n = await server.ReceiveAsync(received.AsMemory(total), SocketFlags.None, timeout.Token);
            if (n == 0)
                break;
            total += n;
        }
        await sending;
        return total == length && sent.AsSpan().SequenceEqual(received);
    }
}
