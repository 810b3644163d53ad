using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp;
using PcpuIpsec.Ike;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>What a plane reports, and the packets that it refuses.</summary>
[Collection("namespaces")]
public sealed class PlaneEventTests
{
    [Fact]
    public async Task A_CPU_without_an_SA_raises_at_most_one_acquire_a_second_with_its_packets_own_selectors()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.HoldAsync(network, new TunnelShape());
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner, 4711);
        var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);
        TrafficSelector Exact(IPAddress address, ushort port) => new(false, 17, port, port, TrafficSelector.ToNumber(address), TrafficSelector.ToNumber(address));
        var expected = new AcquireRaised(ManualTunnel.Connection, 1, Exact(tunnel.WestInner, 4711), Exact(tunnel.EastInner, TestTraffic.Port));
        var clock = System.Diagnostics.Stopwatch.StartNew();

        TestTraffic.SendPinned(1, sender, to, 50, 100);
        await EmbeddedPlaneTests.Eventually(() => tunnel.West.ReadDropCounters()["XfrmOutNoStates"] == 50);
        List<DataPlaneEvent> raised = Drain(tunnel.West);
        Assert.All(raised, e => Assert.Equal(expected, e));
        Assert.InRange(raised.Count, 1, 1 + (int)clock.Elapsed.TotalSeconds);

        TestTraffic.SendPinned(0, sender, to, 1, 100);
        await EmbeddedPlaneTests.Eventually(() => tunnel.West.ReadDropCounters()["XfrmOutNoStates"] == 51);
        Assert.Equal([expected with { Cpu = 0 }], Drain(tunnel.West));

        // A second later it is asked for again.
        await Task.Delay(1100);
        TestTraffic.SendPinned(1, sender, to, 1, 100);
        await EmbeddedPlaneTests.Eventually(() => tunnel.West.ReadDropCounters()["XfrmOutNoStates"] == 52);
        Assert.Equal([expected], Drain(tunnel.West));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task With_a_fallback_an_acquire_is_raised_where_the_policy_asks_for_one_a_CPU(bool acquirePerCpu)
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { AcquirePerCpu = acquirePerCpu }, perCpu: false);
        await tunnel.InstallPairAsync(0, 0);
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);
        TestTraffic.SendPinned(0, sender, to, 10, 100);
        TestTraffic.SendPinned(1, sender, to, 10, 100);

        // Nothing is lost meanwhile: the fallback carries it.
        Assert.Equal(20, TestTraffic.Receive(receiver, 20).Count);
        Assert.Equal(acquirePerCpu ? [1] : [], Drain(tunnel.West).OfType<AcquireRaised>().Select(a => a.Cpu));
    }

    [Fact]
    public async Task The_first_authentic_packet_of_an_inbound_SA_is_reported_once()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape());
        uint spi = tunnel.West.ReadSaCounters().Single(c => c.Direction == SaDirection.Outbound && c.Cpu == 1).Spi;
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        TestTraffic.SendPinned(1, sender, new IPEndPoint(tunnel.EastInner, TestTraffic.Port), 10, 100);
        Assert.Equal(10, TestTraffic.Receive(receiver, 10).Count);
        Assert.Equal([new InboundUsed(spi)], Drain(tunnel.East));
    }

    [Fact]
    public async Task Lifetimes_are_reported_and_a_hard_one_stops_the_SA()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { WestLifetime = new SaLifetime(SoftPackets: 5, HardPackets: 10) }, perCpu: false);
        uint spi = tunnel.West.ReadSaCounters().Single(c => c.Direction == SaDirection.Outbound).Spi;
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);

        TestTraffic.SendPinned(0, sender, to, 6, 100);
        await EmbeddedPlaneTests.Eventually(() => tunnel.West.Events.TryPeek(out _));
        Assert.Equal([new SaExpired(SaDirection.Outbound, spi, tunnel.EastOuter, Hard: false)], Drain(tunnel.West));
        TestTraffic.SendPinned(0, sender, to, 14, 100);
        Assert.Equal(10, TestTraffic.Receive(receiver, 20, patienceMilliseconds: 300).Count);
        await EmbeddedPlaneTests.Eventually(() => tunnel.West.Events.TryPeek(out _));
        Assert.Equal([new SaExpired(SaDirection.Outbound, spi, tunnel.EastOuter, Hard: true)], Drain(tunnel.West));
        Assert.Equal(10, tunnel.West.ReadDropCounters()["XfrmOutStateExpired"]);
    }

    [Fact]
    public async Task A_lifetime_in_seconds_is_kept_without_traffic()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { WestLifetime = new SaLifetime(SoftTime: TimeSpan.FromMilliseconds(300), HardTime: TimeSpan.FromMilliseconds(1200)) }, perCpu: false);
        await EmbeddedPlaneTests.Eventually(() => tunnel.West.Events.Count == 2);
        Assert.Equal([false, true], Drain(tunnel.West).Cast<SaExpired>().Select(e => e.Hard));
    }

    [Fact]
    public async Task A_peer_that_moves_is_reported_once_and_its_SA_goes_on_to_the_new_place()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { Encapsulate = true }, perCpu: false);
        SaCounters westOut = tunnel.West.ReadSaCounters().Single(c => c.Direction == SaDirection.Outbound);
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);
        TestTraffic.SendPinned(0, sender, to, 3, 100);
        Assert.Equal(3, TestTraffic.Receive(receiver, 3).Count);
        Drain(tunnel.East);

        // West's packets come from another port from now on, with the same SA: its numbers go on, or east's window would refuse them.
        await tunnel.West.InstallAsync(tunnel.Sa(SaDirection.Outbound, westOut.Spi, ofWest: true, cpu: null) with { Encapsulation = new UdpEncapsulation(50123, 4500) }, default);
        TestTraffic.SendPinned(0, sender, to, 4, 100);
        Assert.Equal(4, TestTraffic.Receive(receiver, 4).Count);
        Assert.Equal([new PeerMapped(westOut.Spi, new IPEndPoint(tunnel.WestOuter, 50123))], Drain(tunnel.East));
        Assert.Equal(7, tunnel.West.ReadSaCounters().Single(c => c.Spi == westOut.Spi).Packets);

        // And bound to a CPU: another object, the same numbers.
        await tunnel.West.InstallAsync(tunnel.Sa(SaDirection.Outbound, westOut.Spi, ofWest: true, cpu: 1), default);
        TestTraffic.SendPinned(1, sender, to, 5, 100);
        Assert.Equal(5, TestTraffic.Receive(receiver, 5).Count);
        Assert.Equal(12, tunnel.East.ReadSaCounters().Single(c => c.Direction == SaDirection.Inbound).Packets);
        Assert.Equal(0, tunnel.East.ReadDropCounters()["XfrmInStateSeqError"]);
    }

    [Fact]
    public async Task An_SA_with_a_source_port_of_its_own_is_taken_from_any_and_goes_on_to_where_its_peer_moved()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.HoldAsync(network, new TunnelShape { Encapsulate = true });
        // Somebody else has the port that was thought of: the next one will do.
        using Socket taken = TestTraffic.Open(network.West, tunnel.WestOuter, 50123);
        uint spi = await tunnel.East.ReserveSpiAsync(ManualTunnel.Connection, 1, tunnel.EastOuter, tunnel.WestOuter, default);
        await tunnel.East.InstallAsync(tunnel.Sa(SaDirection.Inbound, spi, ofWest: false, cpu: 1) with { Encapsulation = new UdpEncapsulation(0, 4500) }, default);
        await tunnel.West.InstallAsync(tunnel.Sa(SaDirection.Outbound, spi, ofWest: true, cpu: 1) with { Encapsulation = new UdpEncapsulation(50123, 4510) }, default);
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        using WireCapture wire = network.CaptureInEast();
        var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);
        TestTraffic.SendPinned(1, sender, to, 3, 100);
        Assert.True(TestTraffic.ReceivesNothing(receiver));

        await tunnel.West.UpdateRemoteAsync(SaDirection.Outbound, spi, new IPEndPoint(tunnel.EastOuter, 4510), new IPEndPoint(tunnel.EastOuter, 4500), default);
        TestTraffic.SendPinned(1, sender, to, 4, 100);
        Assert.Equal(4, TestTraffic.Receive(receiver, 4).Count);
        SaCounters outbound = tunnel.West.ReadSaCounters().Single(c => c.Direction == SaDirection.Outbound);
        Assert.Equal((spi, 1, 7L), (outbound.Spi, outbound.Cpu, outbound.Packets));
        Assert.Empty(Drain(tunnel.East).OfType<PeerMapped>());
        Assert.Contains(wire.Packets, p => p.Protocol == 17 && p.Bytes[20] == 50124 >> 8 && p.Bytes[21] == (50124 & 0xff));
        await Assert.ThrowsAsync<PcpuIpsecException>(async () => await tunnel.West.UpdateRemoteAsync(SaDirection.Outbound, spi, new IPEndPoint(tunnel.EastOuter, 4500), new IPEndPoint(IPAddress.IPv6Loopback, 4500), default));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Packets_that_are_replayed_forged_or_of_no_SA_are_counted_and_go_nowhere(bool isIPv6, bool encapsulate)
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { OuterIPv6 = isIPv6, InnerIPv6 = isIPv6, Encapsulate = encapsulate }, perCpu: false);
        using WireCapture wire = network.CaptureInEast();
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);
        sender.SendTo(new byte[100], to);
        Assert.Equal(1, TestTraffic.Receive(receiver, 1).Count);
        byte protocol = (byte)(encapsulate ? 17 : 50);
        await EmbeddedPlaneTests.Eventually(() => wire.Packets.Any(p => p.Protocol == protocol));
        byte[] esp = wire.Packets.Last(p => p.Protocol == protocol).Bytes[((isIPv6 ? 40 : 20) + (encapsulate ? 8 : 0))..];
        int attacker = network.West.Run(() => encapsulate
            ? Libc.Socket(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0)
            : Libc.Socket(isIPv6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, Libc.IPPROTO_ESP));
        void Inject(Func<byte[], byte[]> change) => Send(attacker, change([.. esp]), tunnel.EastOuter, (ushort)(encapsulate ? 4500 : 0));

        Inject(p => p);
        Inject(p => Flip(p, p.Length - 1));
        Inject(p => Flip(p, 7));
        Inject(p => Flip(p, 3, by: 2));
        Inject(p => p[..12]);

        long Dropped(string name) => tunnel.East.ReadDropCounters()[name];
        await EmbeddedPlaneTests.Eventually(() => Dropped("XfrmInHdrError") == 1);
        Libc.Close(attacker);
        // The first two have the number of the packet that came; the third has another, and then the wrong ICV.
        Assert.Equal(2, Dropped("XfrmInStateSeqError"));
        Assert.Equal(1, Dropped("XfrmInStateProtoError"));
        Assert.Equal(1, Dropped("XfrmInNoStates"));
        Assert.True(TestTraffic.ReceivesNothing(receiver));
        SaCounters counters = tunnel.East.ReadSaCounters().Single(c => c.Direction == SaDirection.Inbound);
        Assert.Equal((1, 2, 1, 1), (counters.Packets, counters.ReplayDrops, counters.IntegrityDrops, counters.OtherDrops));
    }

    [Fact]
    public async Task IKE_has_its_datagrams_on_the_port_that_it_shares_with_ESP()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { Encapsulate = true });
        Socket ike = tunnel.EncapsulationSockets[1];
        using Socket peer = TestTraffic.Open(network.West, tunnel.WestOuter);
        var to = new IPEndPoint(tunnel.EastOuter, 4500);
        peer.SendTo([0xff], to);
        peer.SendTo([0, 0, 0, 0, 1, 2, 3], to);
        peer.SendTo([0, 0, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], to);
        ike.ReceiveTimeout = 1000;
        byte[] buffer = new byte[100];
        Assert.Equal(1, ike.Receive(buffer));
        Assert.Equal(7, ike.Receive(buffer));
        await EmbeddedPlaneTests.Eventually(() => tunnel.East.ReadDropCounters()["XfrmInNoStates"] == 1);
        Assert.Equal(0, ike.Available);
    }

    private static byte[] Flip(byte[] packet, int at, byte by = 4)
    {
        packet[at] ^= by;
        return packet;
    }

    private static unsafe void Send(int socket, byte[] packet, IPAddress to, ushort port)
    {
        byte* name = stackalloc byte[InetSocketAddress.MaximumLength];
        var address = InetSocketAddress.Of(to, port);
        address.CopyTo(name);
        fixed (byte* start = packet)
            Libc.Check((int)Libc.SendTo(socket, start, (nuint)packet.Length, 0, name, (uint)address.Length), "sendto");
    }

    private static List<DataPlaneEvent> Drain(EmbeddedDataPlane plane)
    {
        List<DataPlaneEvent> events = [];
        while (plane.Events.TryRead(out DataPlaneEvent? next))
            events.Add(next);
        return events;
    }
}
