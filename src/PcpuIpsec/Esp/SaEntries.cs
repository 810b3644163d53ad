using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Ike;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp;

/// <summary>What inbound and outbound SAs in the plane have in common.</summary>
internal abstract class SaEntry(SaInstallation installation) : IDisposable
{
    private long _lastUsed;

    /// <summary>What was installed; the keys are the SA's own copies.</summary>
    public SaInstallation Installation { get; } = installation;

    /// <summary>When it was installed (<see cref="Environment.TickCount64"/>).</summary>
    public long InstalledAt { get; init; } = Environment.TickCount64;

    /// <summary>Marks it used. Workers that share it may overwrite each other's times, which differ by less than a batch.</summary>
    public void Use(long now) => Volatile.Write(ref _lastUsed, now);

    /// <summary>The time of the last use, to go on from.</summary>
    protected long LastUsedTicks { get => Volatile.Read(ref _lastUsed); init => _lastUsed = value; }

    public DateTimeOffset? LastUsed
        => Volatile.Read(ref _lastUsed) is not 0 and var ticks ? DateTimeOffset.UtcNow.AddMilliseconds(ticks - Environment.TickCount64) : null;

    public abstract void Dispose();
}

/// <summary>An inbound SA and the one worker that opens its packets.</summary>
internal sealed class InboundEntry : SaEntry
{
    public InboundEntry(InboundSa sa, int worker)
        : base(sa.Installation)
    {
        Sa = sa;
        Worker = worker;
        Outer = OuterAddresses.Of(Installation.Source, Installation.Destination);
        // Port 0: the peer may send from any, and change it.
        FollowsPeer = Installation.Encapsulation is { SourcePort: not 0 };
        Peer = InetSocketAddress.Of(Installation.Source, Installation.Encapsulation?.SourcePort ?? 0);
    }

    public InboundSa Sa { get; }
    public int Worker { get; }
    public OuterAddresses Outer { get; }

    /// <summary>Report when authentic packets come from elsewhere.</summary>
    public bool FollowsPeer { get; }

    /// <summary>Where the last authentic packet came from; the worker's own.</summary>
    public InetSocketAddress Peer;

    public override void Dispose() => Sa.Dispose();
}

/// <summary>An outbound SA with where its packets go and through which sockets.</summary>
internal sealed unsafe class OutboundEntry : SaEntry
{
    private readonly int[] _sockets;
    private readonly int _ownedSocket;
    private readonly bool _isIPv6;
    private readonly byte[] _source = new byte[16];
    private int _maximumInner;

    /// <param name="sa">The SA.</param>
    /// <param name="installation">Where its packets go; differs from what the SA was made with once the peer has moved.</param>
    /// <param name="worker">The worker that it is bound to; null for all.</param>
    /// <param name="sockets">A socket for each worker.</param>
    /// <param name="ownedSocket">One of them that is this SA's own and closes with it; else -1.</param>
    public OutboundEntry(OutboundSa sa, SaInstallation installation, int? worker, int[] sockets, int ownedSocket)
        : base(installation)
    {
        Sa = sa;
        Worker = worker;
        _sockets = sockets;
        _ownedSocket = ownedSocket;
        _isIPv6 = installation.Destination.AddressFamily == AddressFamily.InterNetworkV6;
        installation.Source.TryWriteBytes(_source, out _);
        Destination = InetSocketAddress.Of(installation.Destination, installation.Encapsulation?.DestinationPort ?? 0);
    }

    public OutboundSa Sa { get; }
    public int? Worker { get; }
    public InetSocketAddress Destination { get; }
    public bool IsIPv6 => _isIPv6;

    /// <summary>Set where a newer SA has taken over: it carries nothing more and waits to be removed.</summary>
    public bool IsReplaced { get; set; }

    /// <summary>The longest inner packet that the path takes.</summary>
    public int MaximumInner => Volatile.Read(ref _maximumInner);

    /// <summary>The path's MTU as it was last seen.</summary>
    public int PathMtu { get; private set; }

    /// <summary>The length of control messages: traffic class and source address.</summary>
    public int ControlLength => _isIPv6 ? 64 : 56;

    public int Socket(int worker) => _sockets[worker];

    /// <summary>The same SA with its packets to another place, through the same sockets: workers may have the one and the other for a moment.</summary>
    public OutboundEntry To(IPEndPoint remote, int pathMtu)
    {
        SaInstallation moved = Installation with
        {
            Destination = remote.Address,
            Encapsulation = Installation.Encapsulation is { } encapsulation ? encapsulation with { DestinationPort = (ushort)remote.Port } : null,
        };
        var entry = new OutboundEntry(Sa, moved, Worker, _sockets, _ownedSocket) { InstalledAt = InstalledAt, LastUsedTicks = LastUsedTicks, IsReplaced = IsReplaced };
        entry.SetPathMtu(pathMtu);
        return entry;
    }

    /// <summary>Takes the path's MTU.</summary>
    public void SetPathMtu(int mtu)
    {
        PathMtu = mtu;
        Volatile.Write(ref _maximumInner, Sa.MaximumInner(mtu));
    }

    /// <summary>Writes the control messages of one packet: IP_TOS and IP_PKTINFO, or IPV6_TCLASS and IPV6_PKTINFO.</summary>
    public void WriteControl(byte* control, byte trafficClass)
    {
        var header = (Libc.ControlHeader*)control;
        header->Length = (nuint)(sizeof(Libc.ControlHeader) + sizeof(int));
        header->Level = _isIPv6 ? Libc.IPPROTO_IPV6 : Libc.IPPROTO_IP;
        header->Type = _isIPv6 ? Libc.IPV6_TCLASS : Libc.IP_TOS;
        *(int*)(control + 16) = trafficClass;
        header = (Libc.ControlHeader*)(control + 24);
        if (_isIPv6)
        {
            // struct in6_pktinfo: address, interface
            header->Length = (nuint)(sizeof(Libc.ControlHeader) + 20);
            header->Level = Libc.IPPROTO_IPV6;
            header->Type = Libc.IPV6_PKTINFO;
            _source.CopyTo(new Span<byte>(control + 40, 16));
            *(uint*)(control + 56) = 0;
        }
        else
        {
            // struct in_pktinfo: interface, source, (received) destination
            header->Length = (nuint)(sizeof(Libc.ControlHeader) + 12);
            header->Level = Libc.IPPROTO_IP;
            header->Type = Libc.IP_PKTINFO;
            *(uint*)(control + 40) = 0;
            _source.AsSpan(0, 4).CopyTo(new Span<byte>(control + 44, 4));
            *(uint*)(control + 48) = 0;
        }
    }

    /// <summary>Closes what is this entry's own and leaves the SA, which another entry goes on with.</summary>
    public void DisposeSocket()
    {
        if (_ownedSocket >= 0)
            Libc.Close(_ownedSocket);
    }

    public override void Dispose()
    {
        DisposeSocket();
        Sa.Dispose();
    }
}
