using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using PcpuIpsec.DataPlane;

namespace PcpuIpsec.Gateway;

/// <summary>
/// The UDP sockets of IKE, two for each local address: plain IKE and the one shared with ESP in UDP. Tunnels that share an
/// address share its sockets. Opening and closing happen in the data plane's queue, sending on the event loop. One that is
/// shared with ESP stays open until the data plane has gone, since that has sockets of its own on the port.
/// </summary>
internal sealed class EdgeSockets(EdgeCounters counters, Action<IPEndPoint, IPEndPoint, byte[]> received, ILogger log) : IDisposable
{
    private const int LargestDatagram = 65535;
    private static readonly TimeSpan _afterError = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly Dictionary<IPEndPoint, Bound> _bound = [];
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Makes sure that both sockets of a tunnel are open.</summary>
    /// <exception cref="PcpuIpsecException">A socket cannot be bound, or another tunnel uses the port for the other purpose.</exception>
    public void Acquire(IDataPlane plane, IPAddress local, int ikePort, int natTraversalPort, OptionWords words)
    {
        var ike = new IPEndPoint(local, ikePort);
        var encapsulated = new IPEndPoint(local, natTraversalPort);
        AcquireOne(plane, ike, marked: false, words);
        try
        {
            AcquireOne(plane, encapsulated, marked: true, words);
        }
        catch
        {
            ReleaseOne(ike);
            throw;
        }
    }

    /// <summary>Closes the socket of plain IKE where no other tunnel uses it.</summary>
    public void Release(IPAddress local, int ikePort, int natTraversalPort)
    {
        ReleaseOne(new IPEndPoint(local, ikePort));
        ReleaseOne(new IPEndPoint(local, natTraversalPort));
    }

    /// <summary>Sends one IKE message, behind the marker where the socket's port asks for it. What cannot be sent is counted: retransmission makes up for it.</summary>
    public void Send(IPEndPoint local, IPEndPoint remote, ReadOnlyMemory<byte> message)
    {
        if (Find(local) is not { } bound)
        {
            counters.SendError();
            GatewayLog.NoSocket(log, local, remote);
            return;
        }
        SendRaw(bound, remote, bound.Marked ? NonEspMarker.Prepend(message.Span) : message);
    }

    /// <summary>Keeps a NAT's mapping alive (RFC 3948 §4); only the NAT traversal port has any.</summary>
    public void SendKeepalive(IPEndPoint local, IPEndPoint remote)
    {
        if (Find(local) is { Marked: true } bound)
            SendRaw(bound, remote, NonEspMarker.Keepalive);
    }

    /// <summary>Receives nothing any more.</summary>
    public void Stop() => _stop.Cancel();

    /// <summary>Closes all sockets; the data plane has gone before.</summary>
    public void Dispose()
    {
        Stop();
        lock (_lock)
        {
            foreach (Bound bound in _bound.Values)
                bound.Socket.Dispose();
            _bound.Clear();
        }
        _stop.Dispose();
    }

    private Bound? Find(IPEndPoint local)
    {
        lock (_lock)
            return _bound.GetValueOrDefault(local);
    }

    private void AcquireOne(IDataPlane plane, IPEndPoint local, bool marked, OptionWords words)
    {
        lock (_lock)
        {
            if (_bound.TryGetValue(local, out Bound? bound))
            {
                if (bound.Marked != marked)
                    throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{words.Name(FieldOf(marked))}: '{local.Port}' is another tunnel's {words.Name(FieldOf(bound.Marked))} at {local.Address}; allowed: a port that is not");
                bound.Users++;
                return;
            }
        }
        Socket socket = Open(plane, local, marked);
        var opened = new Bound(socket, marked) { Users = 1 };
        lock (_lock)
            _bound.Add(local, opened);
        _ = ReceiveAsync(opened, local, _stop.Token);
    }

    private static string FieldOf(bool marked) => marked ? nameof(TunnelOptions.NatTraversalPort) : nameof(TunnelOptions.IkePort);

    private static Socket Open(IDataPlane plane, IPEndPoint local, bool marked)
    {
        try
        {
            Socket socket = marked ? plane.OpenEncapsulationSocket(local) : plane.OpenIkeSocket(local);
            // Sending must never hold up the loop; what does not fit into the buffer is lost as on the wire.
            socket.Blocking = false;
            return socket;
        }
        catch (SocketException e)
        {
            string hint = e.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => "; another program uses the port",
                SocketError.AddressNotAvailable => $"; LocalAddress {local.Address} is none of this host's",
                SocketError.AccessDenied => "; it takes CAP_NET_BIND_SERVICE",
                _ => "",
            };
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"UDP {local} cannot be bound: {e.Message}{hint}", e);
        }
    }

    private void ReleaseOne(IPEndPoint local)
    {
        lock (_lock)
        {
            if (!_bound.TryGetValue(local, out Bound? bound) || --bound.Users > 0 || bound.Marked)
                return;
            _bound.Remove(local);
            bound.Socket.Dispose();
        }
    }

    private void SendRaw(Bound bound, IPEndPoint remote, ReadOnlyMemory<byte> datagram)
    {
        try
        {
            bound.Socket.SendTo(datagram.Span, SocketFlags.None, remote);
            counters.Sent();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            counters.SendError();
            GatewayLog.SendFailed(log, remote, e.Message);
        }
    }

    private async Task ReceiveAsync(Bound bound, IPEndPoint local, CancellationToken stop)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(LargestDatagram);
        var any = new IPEndPoint(local.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                SocketReceiveFromResult result = await bound.Socket.ReceiveFromAsync(buffer, SocketFlags.None, any, stop);
                Take(bound, local, (IPEndPoint)result.RemoteEndPoint, buffer.AsSpan(0, result.ReceivedBytes));
            }
            catch (Exception e) when (e is ObjectDisposedException or OperationCanceledException
                || (e is SocketException && (stop.IsCancellationRequested || Find(local) != bound)))
            {
                return;
            }
            catch (Exception e)
            {
                // An ICMP error, memory pressure, or a fault of ours: a gateway must not go deaf by it, and the pause keeps a
                // lasting error from spinning.
                counters.ReceiveError();
                GatewayLog.ReceiveFailed(log, local, e.Message);
                await Task.Delay(_afterError, CancellationToken.None);
            }
        }
    }

    private void Take(Bound bound, IPEndPoint local, IPEndPoint remote, ReadOnlySpan<byte> datagram)
    {
        counters.Received();
        if (bound.Marked)
        {
            switch (NonEspMarker.Classify(datagram))
            {
                case NonEspMarker.Kind.Keepalive:
                    counters.KeepaliveReceived();
                    return;
                case NonEspMarker.Kind.Other:
                    counters.MarkerMissing();
                    return;
            }
            datagram = datagram[NonEspMarker.Length..];
        }
        received(local, remote, datagram.ToArray());
    }

    private sealed class Bound(Socket socket, bool marked)
    {
        public Socket Socket { get; } = socket;

        public bool Marked { get; } = marked;

        public int Users { get; set; }
    }
}
