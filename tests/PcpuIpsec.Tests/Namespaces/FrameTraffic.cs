using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using PcpuIpsec.Bpf;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Whole Ethernet frames from west to east of a <see cref="TestNetwork"/>. Their last eight bytes say that they are a test's, and whose flow.</summary>
internal static unsafe class FrameTraffic
{
    public const int AF_PACKET = 17;
    private const uint Magic = 0x9611_9611;
    private const byte Udp = 17, Esp = 50;

    /// <summary>An ESP packet of 100 bytes and more.</summary>
    public static byte[] EspFrame(bool isIPv6, uint spi, int flow) => Frame(isIPv6, Esp, flow, bytes => BinaryPrimitives.WriteUInt32BigEndian(bytes, spi));

    /// <summary>ESP in UDP; with SPI 0 it is IKE.</summary>
    public static byte[] EspInUdpFrame(bool isIPv6, ushort sourcePort, uint spi, int flow) => Frame(isIPv6, Udp, flow, bytes =>
    {
        BinaryPrimitives.WriteUInt16BigEndian(bytes, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), 4500);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(4), (ushort)bytes.Length);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), spi);
    });

    /// <summary>Sends frames in turn from one CPU, a few at a time so that no queue overflows.</summary>
    public static void Send(TestNetwork network, int cpu, byte[][] frames, int count, int burst = 64)
    {
        int link = IndexOfWire(network.WestName);
        int socket = network.West.Run(() => Libc.Check(Libc.Socket(AF_PACKET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, 0), "AF_PACKET"));
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                HostCpus.PinCurrentThread(cpu);
                byte* address = stackalloc byte[20];
                Address(address, link, 0);
                for (int i = 0; i < count; i++)
                {
                    fixed (byte* frame = frames[i % frames.Length])
                        Libc.Check((int)Libc.SendTo(socket, frame, (nuint)frames[i % frames.Length].Length, 0, address, 20), "sendto");
                    if (i % burst == burst - 1)
                        Thread.Sleep(1);
                }
            }
            catch (PcpuIpsecException e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        _ = Libc.Close(socket);
        if (failure is not null)
            throw new InvalidOperationException("Sending frames failed.", failure);
    }

    /// <summary>Packets that each CPU took in, whatever interface they came by (/proc/net/softnet_stat; net/core/net-procfs.c: the CPU is in the 13th column).</summary>
    public static Dictionary<int, long> Softnet()
    {
        var processed = new Dictionary<int, long>();
        foreach (string line in File.ReadLines("/proc/net/softnet_stat"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            processed[int.Parse(words[12], NumberStyles.HexNumber, CultureInfo.InvariantCulture)] = long.Parse(words[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        }
        return processed;
    }

    public static int IndexOfWire(string name) => int.Parse(TestNetwork.InNamespace(name, "cat /sys/class/net/wire/ifindex"), CultureInfo.InvariantCulture);

    /// <summary>The flow of a test's frame, or null.</summary>
    public static int? FlowOf(ReadOnlySpan<byte> frame)
        => frame.Length > 8 && BinaryPrimitives.ReadUInt32BigEndian(frame[^8..]) == Magic ? BinaryPrimitives.ReadInt32BigEndian(frame[^4..]) : null;

    /// <summary>struct sockaddr_ll: family, protocol, interface.</summary>
    public static void Address(byte* address, int link, ushort protocol)
    {
        new Span<byte>(address, 20).Clear();
        *(ushort*)address = AF_PACKET;
        *(ushort*)(address + 2) = protocol;
        *(int*)(address + 4) = link;
    }

    private static byte[] Frame(bool isIPv6, byte protocol, int flow, Action<byte[]> fill)
    {
        byte[] payload = new byte[100];
        fill(payload);
        BinaryPrimitives.WriteUInt32BigEndian(payload.AsSpan(^8), Magic);
        BinaryPrimitives.WriteInt32BigEndian(payload.AsSpan(^4), flow);
        byte[] ip = isIPv6
            ? [0x60, 0, 0, 0, 0, 100, protocol, 64, .. Bytes(TestNetwork.WestOuter6), .. Bytes(TestNetwork.EastOuter6)]
            : [0x45, 0, 0, 120, 0, 0, 0x40, 0, 64, protocol, 0, 0, .. Bytes(TestNetwork.WestOuter4), .. Bytes(TestNetwork.EastOuter4)];
        if (!isIPv6)
        {
            uint sum = 0;
            for (int i = 0; i < 20; i += 2)
                sum += BinaryPrimitives.ReadUInt16BigEndian(ip.AsSpan(i));
            BinaryPrimitives.WriteUInt16BigEndian(ip.AsSpan(10), (ushort)~((sum & 0xffff) + (sum >> 16)));
        }
        return [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, .. isIPv6 ? (byte[])[0x86, 0xdd] : [0x08, 0], .. ip, .. payload];

        static byte[] Bytes(string address) => IPAddress.Parse(address).GetAddressBytes();
    }
}

/// <summary>Counts the test's frames that east takes in, by the CPU that does: one AF_PACKET socket a CPU, whose filter takes its packets alone.</summary>
internal sealed unsafe class CpuSink : IDisposable
{
    private const int SOL_PACKET = 263, PACKET_IGNORE_OUTGOING = 23;
    private const ushort EthPAllInNetworkOrder = 0x0300;
    private readonly List<(int Cpu, int Socket)> _sockets = [];

    public CpuSink(TestNetwork network)
    {
        int link = FrameTraffic.IndexOfWire(network.EastName);
        byte* address = stackalloc byte[20];
        foreach (int cpu in HostCpus.Online())
        {
            int socket = network.East.Run(() => Libc.Check(Libc.Socket(FrameTraffic.AF_PACKET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, 0), "AF_PACKET"));
            _sockets.Add((cpu, socket));
            // Load the CPU (SKF_AD_OFF + SKF_AD_CPU), compare, take all or nothing.
            const ulong AncillaryCpu = 0xffff_f024;
            ClassicBpf.Attach(socket, Libc.SO_ATTACH_FILTER, [0x20 | (AncillaryCpu << 32), 0x15 | (1ul << 24) | ((ulong)cpu << 32), 0x06 | (0xfffful << 32), 0x06], "one CPU's packets");
            Libc.Check(Libc.SetSockOpt(socket, Libc.SOL_SOCKET, Libc.SO_RCVBUFFORCE, 128 << 20), "SO_RCVBUFFORCE");
            // East's answers to what it has no use for quote it.
            Libc.Check(Libc.SetSockOpt(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1), "PACKET_IGNORE_OUTGOING");
            FrameTraffic.Address(address, link, EthPAllInNetworkOrder);
            Libc.Check(Libc.Bind(socket, address, 20), "bind");
        }
    }

    /// <summary>Takes what came since the last call: frames by flow and CPU. Waits for as many as there should be.</summary>
    public Dictionary<(int Flow, int Cpu), int> Take(int count)
    {
        var frames = new Dictionary<(int, int), int>();
        byte* buffer = (byte*)NativeMemory.Alloc(65536);
        for (int quiet = 0, taken = 0; quiet < 50 && taken < count;)
        {
            int before = taken;
            foreach ((int cpu, int socket) in _sockets)
            {
                while (Libc.ReceiveFrom(socket, buffer, 65536, Libc.MSG_DONTWAIT, null, null) is > 0 and var length)
                {
                    if (FrameTraffic.FlowOf(new ReadOnlySpan<byte>(buffer, (int)length)) is not { } flow)
                        continue;
                    frames[(flow, cpu)] = frames.GetValueOrDefault((flow, cpu)) + 1;
                    taken++;
                }
            }
            if (taken == before)
            {
                quiet++;
                Thread.Sleep(20);
            }
        }
        NativeMemory.Free(buffer);
        return frames;
    }

    public void Dispose()
    {
        foreach ((_, int socket) in _sockets)
            _ = Libc.Close(socket);
    }
}
