using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Ike;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp;

internal sealed unsafe partial class Worker
{
    private const int SendPatienceMilliseconds = 10;

    /// <summary>ICMP messages a second, and at once.</summary>
    private readonly TokenBucket _icmpBudget = new(perSecond: 1000, burst: 100);

    private int _flushing;

    private void SendFromTun()
    {
        for (int i = 0; i < SendQueue.Capacity; i++)
        {
            // One packet may have become several.
            if (_send.Count == SendQueue.Capacity)
                Flush();
            Span<byte> buffer = _send.NextInner;
            nint length;
            fixed (byte* start = buffer)
                length = Libc.Read(_options.TunQueue, start, ushort.MaxValue);
            if (length < 0)
            {
                if (Libc.Errno is Libc.EAGAIN or Libc.EINTR)
                    break;
                throw Libc.Failure("Cannot read from the TUN interface", Libc.Errno);
            }
            Protect(buffer[..(int)length]);
        }
        Flush();
    }

    /// <summary>Chooses the SA of one packet from the TUN, and queues what is made of it.</summary>
    private void Protect(ReadOnlySpan<byte> inner)
    {
        if (!FlowKey.TryRead(inner, out FlowKey key))
        {
            Count(EspVerdict.OutMalformed);
            return;
        }
        bool isAssembled = key.IsFragment && _view.TakesWhole(key);
        if (isAssembled)
        {
            if (!TryAssemble(inner, key, out Span<byte> whole) || !FlowKey.TryRead(whole, out key))
                return;
            inner = whole;
        }
        int found = _view.Find(key);
        if (found < 0)
        {
            Count(PlaneDrop.EspOutNoPolicy);
            return;
        }
        ref readonly OutboundRoute route = ref _view.Routes[found];
        OutboundEntry? entry = route.Own is { } own && !own.Sa.Expired && own.Sa.Selectors.MatchesOutbound(key) ? own : route.Fallback;
        if ((entry is null || (route.Own is null && route.Policy.AcquiresPerCpu)) && route.Policy.MayAcquire(_options.Index, _now))
            Acquire(route.Policy, key);
        if (entry is null)
        {
            Count(EspVerdict.OutNoSa);
            return;
        }
        if (isAssembled && key.TotalLength > entry.MaximumInner)
            SendFragmented(entry, key, inner); // it was cut for the TUN, so it may be cut
        else
            Protect(entry, route.Policy, key, inner);
    }

    private void Protect(OutboundEntry entry, PolicyEntry policy, in FlowKey key, ReadOnlySpan<byte> inner)
    {
        switch (key.TotalLength <= entry.MaximumInner ? PathMtuAction.Protect : entry.Sa.Decide(key, inner, entry.PathMtu))
        {
            case PathMtuAction.Protect:
                Queue(entry, key, inner);
                break;
            case PathMtuAction.FragmentInner:
                FragmentInner(entry, inner);
                break;
            case PathMtuAction.TooBig:
                TellTooBig(entry, policy, inner);
                break;
            case PathMtuAction.FragmentOuter:
                SendFragmented(entry, key, inner);
                break;
        }
    }

    /// <summary>Protects a packet that fits and queues it; its bytes lie in the queue's next slot already, or are copied there.</summary>
    private void Queue(OutboundEntry entry, in FlowKey key, ReadOnlySpan<byte> inner)
    {
        int socket = entry.Socket(_options.Index);
        if (_send.Count == SendQueue.Capacity || (_send.Count > 0 && _send.Socket != socket))
        {
            // The slots move up: this packet's bytes would be overwritten by the next ones.
            // While a flush makes packets smaller, the scratch holds those of the call that flushes.
            Span<byte> kept = _flushing > 0 ? new byte[inner.Length] : _scratch.AsSpan(0, inner.Length);
            inner.CopyTo(kept);
            Flush();
            inner = kept;
        }
        Span<byte> slot = _send.NextInner;
        if (!inner.Overlaps(slot))
        {
            inner.CopyTo(slot);
            inner = slot[..inner.Length];
        }
        EspVerdict verdict = entry.Sa.Protect(_options.Index, key, inner, _send.NextOuter, out int length, out byte trafficClass);
        if (verdict != EspVerdict.Ok)
        {
            Count(verdict);
            return;
        }
        entry.Use(_now);
        _send.Add(entry, socket, inner.Length, length, trafficClass);
    }

    /// <summary>Sends what is queued, and again what the path refused and was made smaller.</summary>
    private void Flush()
    {
        _flushing++;
        while (_send.Count > 0)
        {
            Send();
            if (_tooBig.Count > 0)
                RequeueSmaller();
            else
                _send.Clear();
        }
        _flushing--;
    }

    private void Send()
    {
        int sent = 0;
        while (sent < _send.Count)
        {
            int taken = _send.Send(sent);
            if (taken > 0)
            {
                sent += taken;
                continue;
            }
            // The call failed about the packet at 'sent'.
            switch (Libc.Errno)
            {
                case Libc.EINTR:
                    continue;
                case Libc.EAGAIN or Libc.ENOBUFS:
                    if (WaitUntilWritable(_send.Socket))
                        continue;
                    Count(PlaneDrop.EspOutSocketFull);
                    break;
                case Libc.EMSGSIZE when !_fragmenting:
                    _tooBig.Add(sent);
                    break;
                default:
                    Count(PlaneDrop.EspOutSocketError);
                    break;
            }
            sent++;
        }
    }

    private static bool WaitUntilWritable(int socket)
    {
        var descriptor = new Libc.PollDescriptor { Fd = socket, Events = Libc.POLLOUT };
        return Libc.Poll(&descriptor, 1, SendPatienceMilliseconds) > 0 && (descriptor.Returned & Libc.POLLOUT) != 0;
    }

    private void Acquire(PolicyEntry policy, in FlowKey key)
    {
        // RFC 7296 §2.9: the packet's own addresses, protocol and ports.
        ushort sourceFrom = key.HasPorts ? key.SourcePort : (ushort)0, sourceTo = key.HasPorts ? key.SourcePort : ushort.MaxValue;
        ushort destinationFrom = key.HasPorts ? key.DestinationPort : (ushort)0, destinationTo = key.HasPorts ? key.DestinationPort : ushort.MaxValue;
        _options.Events.TryWrite(new AcquireRaised(
            policy.Policy.Connection,
            _options.Cpu,
            new TrafficSelector(key.IsIPv6, key.Protocol, sourceFrom, sourceTo, key.Source, key.Source),
            new TrafficSelector(key.IsIPv6, key.Protocol, destinationFrom, destinationTo, key.Destination, key.Destination)));
    }
}
