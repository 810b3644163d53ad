using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Host;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Guest;

/// <summary>What became of a flow.</summary>
/// <param name="Sent">Datagrams that the sender gave to its kernel.</param>
/// <param name="Refused">Of these, those that the kernel refused with an error; they are among the lost.</param>
/// <param name="Received">Different datagrams that arrived.</param>
/// <param name="Duplicates">Arrivals of one that was there already.</param>
/// <param name="Lost">The sequence numbers, from 0, that never arrived, with the second in which each was sent.</param>
/// <param name="Seconds">How long it sent.</param>
internal sealed record FlowResult(long Sent, long Refused, long Received, long Duplicates, IReadOnlyList<(long Sequence, double Second)> Lost, double Seconds)
{
    public double Rate => Sent / Seconds;

    public override string ToString() => FormattableString.Invariant(
        $"{Sent} sent at {Rate:F0}/s, {Received} received, {Lost.Count} lost{(Lost.Count == 0 ? "" : FormattableString.Invariant($" (from {Lost[0].Second:F2} s to {Lost[^1].Second:F2} s)"))}, {Refused} refused, {Duplicates} twice");
}

/// <summary>
/// Datagrams with sequence numbers from one host to another, at a rate, from a thread pinned to a CPU; the receiver is pinned to
/// it, too, where a veth delivers them anyway.
/// </summary>
internal sealed class UdpFlow : IAsyncDisposable
{
    private const int MaximumBurst = 128;

    /// <summary>Milliseconds. Emulated CPUs have better to do than to change between threads for each packet.</summary>
    private const int Pause = 8;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(2);

    private readonly Socket _sender, _receiver;
    private readonly IPEndPoint _to;
    private readonly int _cpu, _rate, _length;
    private readonly Thread _sending, _receiving;
    private readonly Lock _lock = new();
    private readonly List<bool> _arrived = [];
    private readonly List<float> _sentAt = [];
    private volatile bool _stopSending, _stopReceiving;
    private Exception? _failure;
    private long _refused, _received, _duplicates;
    private double _seconds;

    private UdpFlow(LabHost from, LabHost to, int cpu, int rate, int port, int length, bool ipv6)
    {
        (_cpu, _rate, _length) = (cpu, rate, length);
        _to = new IPEndPoint(ipv6 ? to.Red.Address6 : to.Red.Address, port);
        _receiver = to.Namespace.Run(() => Open(_to));
        _sender = from.Namespace.Run(() => Open(new IPEndPoint(ipv6 ? from.Red.Address6 : from.Red.Address, 0)));
        _receiving = new Thread(() => Guard(Receive)) { IsBackground = true, Name = $"udp receiver {cpu}" };
        _sending = new Thread(() => Guard(Send)) { IsBackground = true, Name = $"udp sender {cpu}" };
    }

    /// <summary>Begins to send, between the red addresses.</summary>
    /// <param name="from">The sender.</param>
    /// <param name="to">The receiver.</param>
    /// <param name="cpu">The CPU of both.</param>
    /// <param name="rate">Datagrams a second.</param>
    /// <param name="port">The receiver's port; default is 20000 and the CPU.</param>
    /// <param name="length">Bytes of payload; at least 8.</param>
    /// <param name="ipv6">By IPv6.</param>
    public static UdpFlow Start(LabHost from, LabHost to, int cpu, int rate = 1000, int? port = null, int length = 200, bool ipv6 = false)
    {
        var flow = new UdpFlow(from, to, cpu, rate, port ?? 20000 + cpu, length, ipv6);
        flow._receiving.Start();
        flow._sending.Start();
        return flow;
    }

    /// <summary>What arrived so far.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Ends the sending, waits for what is on its way, and counts.</summary>
    public async Task<FlowResult> StopAsync()
    {
        await Task.Run(Stop);
        if (_failure is not null)
            throw new InvalidOperationException($"The flow of CPU {_cpu} failed: {_failure.Message}", _failure);
        lock (_lock)
        {
            var lost = new List<(long, double)>();
            for (int i = 0; i < _sentAt.Count; i++)
            {
                if (i >= _arrived.Count || !_arrived[i])
                    lost.Add((i, _sentAt[i]));
            }
            return new FlowResult(_sentAt.Count, _refused, _received, _duplicates, lost, _seconds);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Task.Run(Stop);
        _sender.Dispose();
        _receiver.Dispose();
    }

    private void Stop()
    {
        _stopSending = true;
        _sending.Join();
        long last = -1;
        for (var quiet = Stopwatch.StartNew(); !_stopReceiving && quiet.Elapsed < _patience; Thread.Sleep(20))
        {
            long now = Received;
            if (now == _sentAt.Count)
                break;
            if (now != last)
                quiet.Restart();
            last = now;
        }
        _stopReceiving = true;
        _receiving.Join();
    }

    private static Socket Open(IPEndPoint local)
    {
        var socket = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 4 << 20, Blocking = false };
        socket.Bind(local);
        return socket;
    }

    private void Guard(Action action)
    {
        try
        {
            HostCpus.PinCurrentThread(_cpu);
            action();
        }
        catch (Exception e) // Rethrown by StopAsync.
        {
            _failure ??= e;
            _stopSending = _stopReceiving = true;
        }
    }

    private void Send()
    {
        byte[] datagram = new byte[_length];
        int pause = Math.Max(Pause, 1000 / _rate);
        SocketAddress to = _to.Serialize();
        var clock = Stopwatch.StartNew();
        // Datagrams that a long pause swallowed: a burst that made up for them would lose some by itself.
        long skipped = 0;
        while (!_stopSending)
        {
            long due = (long)(clock.Elapsed.TotalSeconds * _rate) - skipped - _sentAt.Count;
            if (due > MaximumBurst)
            {
                skipped += due - MaximumBurst;
                due = MaximumBurst;
            }
            for (; due > 0 && !_stopSending; due--)
            {
                BinaryPrimitives.WriteInt64BigEndian(datagram, _sentAt.Count);
                _sentAt.Add((float)clock.Elapsed.TotalSeconds);
                try
                {
                    _sender.SendTo(datagram, SocketFlags.None, to);
                }
                catch (SocketException)
                {
                    _refused++;
                }
            }
            Thread.Sleep(pause);
        }
        _seconds = clock.Elapsed.TotalSeconds;
    }

    private void Receive()
    {
        byte[] buffer = new byte[65536];
        while (!_stopReceiving)
        {
            int length = _receiver.Receive(buffer, SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock)
            {
                Thread.Sleep(Pause);
                continue;
            }
            if (error != SocketError.Success)
                throw new SocketException((int)error);
            if (length != _length)
                continue;
            int sequence = (int)BinaryPrimitives.ReadInt64BigEndian(buffer);
            lock (_lock)
            {
                while (_arrived.Count <= sequence)
                    _arrived.Add(false);
                if (_arrived[sequence])
                    _duplicates++;
                else
                    Interlocked.Increment(ref _received);
                _arrived[sequence] = true;
            }
        }
    }
}
