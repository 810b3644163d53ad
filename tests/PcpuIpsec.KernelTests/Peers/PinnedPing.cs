using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Host;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>
/// Echo requests from threads pinned to a CPU each, as <c>taskset -c CPU ping</c> sends them, whose start would take longer
/// than they do on emulated CPUs.
/// </summary>
internal static class PinnedPing
{
    private const byte EchoRequest = 8, EchoReply = 0;
    private const int HeaderLength = 8, PayloadLength = 56;

    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(2);
    private static int _lastIdentifier;

    /// <summary>All CPUs at once; how many requests of each got no reply.</summary>
    public static async Task<IReadOnlyDictionary<int, int>> RunAsync(LabHost from, IPAddress to, IReadOnlyList<int> cpus, int count)
    {
        (int Cpu, int Lost)[] lost = await Task.WhenAll(cpus.Select(cpu => Task.Factory.StartNew(() => (cpu, count - Answered(from, to, cpu, count)), TaskCreationOptions.LongRunning)));
        return lost.ToDictionary(l => l.Cpu, l => l.Lost);
    }

    private static int Answered(LabHost from, IPAddress to, int cpu, int count)
    {
        HostCpus.PinCurrentThread(cpu);
        // Not connected: a connected socket would keep the SA that its first packet took.
        using Socket socket = from.Namespace.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Icmp));
        ushort identifier = (ushort)Interlocked.Increment(ref _lastIdentifier);
        var target = new IPEndPoint(to, 0);
        var answered = new HashSet<ushort>();
        for (int sequence = 0; sequence < count; sequence++)
        {
            try
            {
                socket.SendTo(Request(identifier, (ushort)sequence), target);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.NetworkUnreachable or SocketError.HostUnreachable or SocketError.TryAgain)
            {
                // Lost at its first step.
            }
            Collect(socket, identifier, answered, sequence + 1, sequence + 1 < count ? _interval : _patience);
        }
        return answered.Count;
    }

    /// <summary>Takes replies in until all are there or the time is over; between two requests the time has to pass anyway.</summary>
    private static void Collect(Socket socket, ushort identifier, HashSet<ushort> answered, int count, TimeSpan time)
    {
        byte[] packet = new byte[1500];
        long began = Stopwatch.GetTimestamp();
        while (time - Stopwatch.GetElapsedTime(began) is { Ticks: > 0 } left && (answered.Count < count || time == _interval))
        {
            if (!socket.Poll(left, SelectMode.SelectRead))
                continue;
            int length = socket.Receive(packet);
            // A raw socket gets the IP header too, and what is meant for others.
            ReadOnlySpan<byte> icmp = packet.AsSpan(0, length)[((packet[0] & 0xf) * 4)..];
            if (icmp.Length >= HeaderLength && icmp[0] == EchoReply && BinaryPrimitives.ReadUInt16BigEndian(icmp[4..]) == identifier)
                answered.Add(BinaryPrimitives.ReadUInt16BigEndian(icmp[6..]));
        }
    }

    // type | code | checksum | identifier | sequence number (RFC 792)
    private static byte[] Request(ushort identifier, ushort sequence)
    {
        byte[] icmp = new byte[HeaderLength + PayloadLength];
        icmp[0] = EchoRequest;
        BinaryPrimitives.WriteUInt16BigEndian(icmp.AsSpan(4), identifier);
        BinaryPrimitives.WriteUInt16BigEndian(icmp.AsSpan(6), sequence);
        uint sum = 0;
        for (int i = 0; i < icmp.Length; i += 2)
            sum += BinaryPrimitives.ReadUInt16BigEndian(icmp.AsSpan(i));
        sum = (sum & 0xffff) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(icmp.AsSpan(2), (ushort)~((sum & 0xffff) + (sum >> 16)));
        return icmp;
    }
}
