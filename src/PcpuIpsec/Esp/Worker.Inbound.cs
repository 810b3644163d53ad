using System.Buffers.Binary;
using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp;

internal sealed unsafe partial class Worker
{
    /// <summary>SPI and sequence number (RFC 4303 §2).</summary>
    private const int EspHeaderLength = 8;

    private void ReceiveFrom(EspSocket socket)
    {
        int count = _receive.Receive(socket.Fd);
        if (count < 0)
        {
            // What a socket has to report (an ICMP error about something sent) is taken by the failed call itself.
            return;
        }
        for (int i = 0; i < count; i++)
        {
            Span<byte> packet = _receive.Packet(i);
            byte trafficClass;
            if (socket.HasIPv4Header)
            {
                trafficClass = packet[1];
                packet = packet[((packet[0] & 0x0f) * 4)..];
            }
            else
                trafficClass = _receive.TrafficClass(i);
            Open(packet, trafficClass, _receive.Name(i));
        }
    }

    private void Open(Span<byte> esp, byte trafficClass, byte* sender)
    {
        if (esp.Length < EspHeaderLength)
        {
            Count(EspVerdict.InMalformed);
            return;
        }
        uint spi = BinaryPrimitives.ReadUInt32BigEndian(esp);
        if (!_view.Inbound.TryGetValue(spi, out InboundEntry? entry))
        {
            Count(EspVerdict.InNoSa);
            return;
        }
        if (entry.Worker != _options.Index)
        {
            Count(PlaneDrop.EspInWrongWorker);
            return;
        }
        EspVerdict verdict = entry.Sa.Open(esp, trafficClass, entry.Outer, _scratch, out int length, out bool firstAuthentic);
        if (firstAuthentic)
            _options.Events.TryWrite(new InboundUsed(spi));
        if (verdict != EspVerdict.Ok)
        {
            Count(verdict);
            return;
        }
        entry.Use(_now);
        if (entry.FollowsPeer && !entry.Peer.Matches(sender))
            FollowPeer(entry, sender);
        WriteToTun(length);
    }

    /// <summary>RFC 7296 §2.23: told once for each place that authentic packets come from.</summary>
    private void FollowPeer(InboundEntry entry, byte* sender)
    {
        IPEndPoint from = InetSocketAddress.Read(new ReadOnlySpan<byte>(sender, InetSocketAddress.MaximumLength));
        entry.Peer = InetSocketAddress.Of(from.Address, (ushort)from.Port);
        _options.Events.TryWrite(new PeerMapped(entry.Installation.Spi, from));
    }

    private void WriteToTun(int length)
    {
        fixed (byte* packet = _scratch)
        {
            if (Libc.Write(_options.TunQueue, packet, (nuint)length) < 0)
                Count(PlaneDrop.EspInTunError);
        }
    }
}
