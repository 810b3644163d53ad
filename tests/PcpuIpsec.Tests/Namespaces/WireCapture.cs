using System.Net;
using System.Runtime.InteropServices;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>An IP packet seen on the wire.</summary>
internal sealed record SeenPacket(byte[] Bytes)
{
    private bool IsIPv6 => Bytes[0] >> 4 == 6;
    public byte Protocol => IsIPv6 ? Bytes[6] : Bytes[9];
    public IPAddress Source => new(IsIPv6 ? Bytes.AsSpan(8, 16) : Bytes.AsSpan(12, 4));
    public IPAddress Destination => new(IsIPv6 ? Bytes.AsSpan(24, 16) : Bytes.AsSpan(16, 4));
    public byte TrafficClass => IsIPv6 ? (byte)((Bytes[0] << 4) | (Bytes[1] >> 4)) : Bytes[1];
    public bool DontFragment => !IsIPv6 && (Bytes[6] & 0x40) != 0;
    public bool IsFragment => IsIPv6 ? Protocol == 44 : (Bytes[6] & 0x3f) != 0 || Bytes[7] != 0;
    public ushort DestinationPort => (ushort)((Bytes[(IsIPv6 ? 40 : 20) + 2] << 8) | Bytes[(IsIPv6 ? 40 : 20) + 3]);

    /// <summary>True for what has to be protected and is not: neither ESP, nor ESP or IKE in UDP, nor neighbour discovery.</summary>
    public bool IsPlaintextOf(TunnelShape tunnel)
    {
        bool outer = Source.Equals(tunnel.WestOuter) && Destination.Equals(tunnel.EastOuter);
        bool ours = Source.Equals(tunnel.WestInner) || Destination.Equals(tunnel.EastInner);
        bool isDiscovery = Protocol == 58 && Bytes[40] is >= 133 and <= 143;
        bool isProtected = outer && (Protocol == 50 || (Protocol == 17 && !IsFragment && DestinationPort == 4500) || IsFragment);
        return ours && !isDiscovery && !isProtected;
    }

    public override string ToString() => $"{Source} > {Destination} protocol {Protocol}, {Bytes.Length} bytes";
}

/// <summary>Every IP packet that passes the wire's end in one namespace, by an AF_PACKET socket.</summary>
internal sealed unsafe class WireCapture : IDisposable
{
    private const int AF_PACKET = 17, ETH_P_ALL = 3, SOL_PACKET = 263, PACKET_IGNORE_OUTGOING = 23;

    private readonly int _socket;
    private readonly Thread _thread;
    private readonly List<SeenPacket> _packets = [];
    private volatile bool _stopping;

    /// <param name="inside">A thread of the namespace.</param>
    /// <param name="index">The wire's interface number there.</param>
    public WireCapture(NamespaceThread inside, int index)
    {
        ushort all = BitConverter.IsLittleEndian ? (ushort)(ETH_P_ALL << 8) : (ushort)ETH_P_ALL;
        _socket = inside.Run(() => Libc.Check(Libc.Socket(AF_PACKET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, all), "AF_PACKET"));
        // struct sockaddr_ll: family, protocol, interface
        byte* address = stackalloc byte[20];
        new Span<byte>(address, 20).Clear();
        *(ushort*)address = AF_PACKET;
        *(ushort*)(address + 2) = all;
        *(int*)(address + 4) = index;
        Libc.Check(Libc.Bind(_socket, address, 20), "bind");
        Libc.Check(Libc.SetSockOpt(_socket, Libc.SOL_SOCKET, Libc.SO_RCVBUFFORCE, 64 << 20), "SO_RCVBUFFORCE");
        Libc.Check(Libc.SetSockOpt(_socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1), "PACKET_IGNORE_OUTGOING");
        _thread = new Thread(Run) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>What arrived so far.</summary>
    public SeenPacket[] Packets
    {
        get
        {
            lock (_packets)
                return [.. _packets];
        }
    }

    public void Clear()
    {
        lock (_packets)
            _packets.Clear();
    }

    public void Dispose()
    {
        _stopping = true;
        _thread.Join();
        Libc.Close(_socket);
    }

    private void Run()
    {
        byte* buffer = (byte*)NativeMemory.Alloc(65536);
        while (!_stopping)
        {
            var poll = new Libc.PollDescriptor { Fd = _socket, Events = Libc.POLLIN };
            if (Libc.Poll(&poll, 1, 20) <= 0)
                continue;
            nint length = Libc.ReceiveFrom(_socket, buffer, 65536, Libc.MSG_DONTWAIT, null, null);
            if (length < 20 || buffer[0] >> 4 is not (4 or 6))
                continue;
            lock (_packets)
                _packets.Add(new SeenPacket(new Span<byte>(buffer, (int)length).ToArray()));
        }
        NativeMemory.Free(buffer);
    }
}
