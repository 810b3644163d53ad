using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Esp;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>What goes through two planes: every shape of tunnel, every size of packet, on the right SA.</summary>
[Collection("namespaces")]
public sealed class EmbeddedPlaneTests
{
    [Theory]
    [InlineData(false, false, IpsecMode.Tunnel, false)]
    [InlineData(false, false, IpsecMode.Tunnel, true)]
    [InlineData(false, true, IpsecMode.Tunnel, false)]
    [InlineData(true, false, IpsecMode.Tunnel, true)]
    [InlineData(true, true, IpsecMode.Tunnel, false)]
    [InlineData(true, true, IpsecMode.Tunnel, true)]
    [InlineData(false, false, IpsecMode.Transport, false)]
    [InlineData(false, false, IpsecMode.Transport, true)]
    [InlineData(true, true, IpsecMode.Transport, false)]
    [InlineData(true, true, IpsecMode.Transport, true)]
    public async Task Ping_UDP_TCP_and_packets_of_every_size_go_through(bool outerIPv6, bool innerIPv6, IpsecMode mode, bool encapsulate)
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { OuterIPv6 = outerIPv6, InnerIPv6 = innerIPv6, Mode = mode, Encapsulate = encapsulate });
        using WireCapture wire = network.CaptureInEast();

        (int exitCode, string output) = TestNetwork.TryInNamespace(network.WestName, $"ping -c 5 -i 0.01 -W 2 -I {tunnel.WestInner} {tunnel.EastInner}");
        Assert.True(exitCode == 0 && output.Contains(" 5 received"), output + Drops(tunnel));
        Assert.Equal(5, Packets(tunnel.West, SaDirection.Outbound));
        Assert.Equal(5, Packets(tunnel.East, SaDirection.Inbound));
        Assert.Equal(5, Packets(tunnel.East, SaDirection.Outbound));

        using (Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port))
        using (Socket sender = TestTraffic.Open(network.West, tunnel.WestInner))
        {
            var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);
            // From the smallest to what the stack cuts in five, and the longest datagram that ESP leaves room for.
            foreach (int length in (ReadOnlySpan<int>)[0, 1, 1200, 1330, 1372, 1400, 2000, 6000, 65000])
            {
                sender.SendTo(new byte[length], to);
                Assert.True((1, (long)length) == TestTraffic.Receive(receiver, 1), $"{length} bytes did not arrive{Drops(tunnel)}");
            }
        }
        Assert.True(await TestTraffic.TransferAsync(network.West, tunnel.WestInner, network.East, tunnel.EastInner, 1 << 20), Drops(tunnel));
        Assert.True(await TestTraffic.TransferAsync(network.East, tunnel.EastInner, network.West, tunnel.WestInner, 1 << 20), Drops(tunnel));

        Assert.DoesNotContain(wire.Packets, p => p.IsPlaintextOf(tunnel.Shape));
        Assert.Contains(wire.Packets, p => p.Protocol == (encapsulate ? 17 : 50));
    }

    [Fact]
    public async Task Packets_of_a_CPU_go_out_on_the_SA_of_that_CPU()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape());
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);

        // One socket: the 5-tuple stays the same while its sender moves.
        TestTraffic.SendPinned(0, sender, to, 300, 100);
        TestTraffic.SendPinned(1, sender, to, 200, 100);

        Assert.Equal(500, TestTraffic.Receive(receiver, 500).Count);
        Dictionary<int, long> sent = tunnel.West.ReadSaCounters().Where(c => c.Direction == SaDirection.Outbound).ToDictionary(c => c.Cpu ?? -1, c => c.Packets);
        Assert.Equal(new Dictionary<int, long> { [-1] = 0, [0] = 300, [1] = 200 }, sent);
        // The SPIs were reserved for east's CPUs, so east received them there.
        Dictionary<int, long> received = tunnel.East.ReadSaCounters().Where(c => c.Direction == SaDirection.Inbound).ToDictionary(c => c.Cpu ?? -1, c => c.Packets);
        Assert.Equal(sent, received);
    }

    [Fact]
    public async Task With_steering_by_flow_a_flow_stays_on_its_SA_wherever_its_sender_runs()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { SteerByFlow = true });
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);
        HashSet<int?> used = [];
        for (int flow = 0; flow < 16; flow++)
        {
            using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner, 20000 + flow);
            Dictionary<uint, long> before = Outbound(tunnel.West);
            TestTraffic.SendPinned(0, sender, to, 10, 100);
            TestTraffic.SendPinned(1, sender, to, 10, 100);
            Assert.Equal(20, TestTraffic.Receive(receiver, 20).Count);
            (uint spi, long packets) = Assert.Single(Outbound(tunnel.West).Select(c => (c.Key, c.Value - before[c.Key])), c => c.Item2 != 0);
            Assert.Equal(20, packets);
            used.Add(tunnel.West.ReadSaCounters().Single(c => c.Direction == SaDirection.Outbound && c.Spi == spi).Cpu);
        }
        Assert.Equal([0, 1], used.Order());
    }

    [Fact]
    public async Task Without_an_SA_of_its_own_a_CPU_uses_the_fallback()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape(), perCpu: false);
        (uint own, _) = await tunnel.InstallPairAsync(1, 1);
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        var to = new IPEndPoint(tunnel.EastInner, TestTraffic.Port);

        TestTraffic.SendPinned(0, sender, to, 20, 100);
        TestTraffic.SendPinned(1, sender, to, 30, 100);
        Assert.Equal(50, TestTraffic.Receive(receiver, 50).Count);
        Assert.Equal(20, tunnel.West.ReadSaCounters().Single(c => c.Direction == SaDirection.Outbound && c.Cpu is null).Packets);

        // Once its SA is gone, so does that CPU.
        await tunnel.West.RemoveAsync(ManualTunnel.Connection, SaDirection.Outbound, own, tunnel.EastOuter, default);
        TestTraffic.SendPinned(1, sender, to, 30, 100);
        Assert.Equal(30, TestTraffic.Receive(receiver, 30).Count);
        Assert.Equal(50, tunnel.West.ReadSaCounters().Single(c => c.Direction == SaDirection.Outbound && c.Cpu is null).Packets);
    }

    [Fact]
    public async Task A_rekeyed_SA_takes_over_under_load_with_nothing_lost()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape(), perCpu: false);
        (uint spi, _) = await tunnel.InstallPairAsync(0, 0);
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        Task sending = Task.Run(() => TestTraffic.SendPinned(0, sender, new IPEndPoint(tunnel.EastInner, TestTraffic.Port), 6000, 100));
        Task<(int Count, long)> receiving = Task.Run(() => TestTraffic.Receive(receiver, 6000));

        for (int i = 0; i < 5; i++)
        {
            await Task.Delay(20);
            (uint next, _) = await tunnel.InstallPairAsync(0, 0, replaces: spi);
            await tunnel.West.RemoveAsync(ManualTunnel.Connection, SaDirection.Outbound, spi, tunnel.EastOuter, default);
            spi = next;
        }
        // On a busy machine all may have been sent before the last one came.
        bool wasSending = !sending.IsCompleted;
        await sending;

        Assert.Equal(6000, (await receiving).Count);
        Assert.Equal(0, tunnel.West.ReadSaCounters().Single(c => c.Direction == SaDirection.Outbound && c.Cpu is null).Packets);
        Assert.True(!wasSending || tunnel.West.ReadSaCounters().Single(c => c.Spi == spi).Packets > 0);
    }

    [Theory]
    [InlineData(EncryptionAlgorithm.ENCR_AES_GCM_16, 256, 36, IntegrityAlgorithm.NONE, 0, true)]
    [InlineData(EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 256, 36, IntegrityAlgorithm.NONE, 0, false)]
    [InlineData(EncryptionAlgorithm.ENCR_AES_CBC, 128, 16, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, 32, true)]
    [InlineData(EncryptionAlgorithm.ENCR_AES_CBC, 256, 32, IntegrityAlgorithm.AUTH_HMAC_SHA2_512_256, 64, false)]
    [InlineData(EncryptionAlgorithm.ENCR_NULL, 0, 0, IntegrityAlgorithm.AUTH_HMAC_SHA2_384_192, 48, true)]
    internal async Task Every_cipher_carries_TCP(EncryptionAlgorithm cipher, int bits, int keyBytes, IntegrityAlgorithm integrity, int integrityBytes, bool esn)
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape
        {
            Suite = new ChosenSuite(cipher, bits, integrity, null, KeyExchangeMethod.NONE, esn),
            EncryptionKeyBytes = keyBytes,
            IntegrityKeyBytes = integrityBytes,
        });
        Assert.True(await TestTraffic.TransferAsync(network.West, tunnel.WestInner, network.East, tunnel.EastInner, 1 << 20), Drops(tunnel));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Outer_DSCP_and_ECN_are_the_inner_ones(bool isIPv6)
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { OuterIPv6 = isIPv6, InnerIPv6 = isIPv6, Encapsulate = true });
        using WireCapture wire = network.CaptureInEast();
        TestNetwork.InNamespace(network.WestName, $"ping -c 1 -Q 0xba -I {tunnel.WestInner} {tunnel.EastInner}");
        TestNetwork.InNamespace(network.WestName, $"ping -c 1 -Q 0x01 -I {tunnel.WestInner} {tunnel.EastInner}");
        await Eventually(() => wire.Packets.Count(p => p.Protocol == 17) >= 2);
        Assert.Equal([0xba, 0x01], wire.Packets.Where(p => p.Protocol == 17).Select(p => (int)p.TrafficClass));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_path_that_shrinks_is_noticed_and_told_to_the_sender(bool isIPv6)
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { OuterIPv6 = isIPv6, InnerIPv6 = isIPv6, Encapsulate = true });
        const int Shrunk = 1400;
        // What an ICMP message of a router on the way makes of the route.
        TestNetwork.Ip($"-n {network.WestName} route replace {tunnel.EastOuter} dev wire mtu {Shrunk}");

        (_, string output) = TestNetwork.TryInNamespace(network.WestName, $"ping -c 3 -i 0.05 -W 1 -M do -s {1390 - (isIPv6 ? 48 : 28)} -I {tunnel.WestInner} {tunnel.EastInner}");
        Assert.Contains(" 0 received", output);
        Assert.True(tunnel.West.ReadDropCounters()["EspOutTooBigTold"] > 0, output + Drops(tunnel));
        // The sender's own kernel has learned it: its next packets are cut, or refused before they are sent.
        Assert.Contains("mtu = ", output.Replace("mtu=", "mtu = "));

        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        sender.SendTo(new byte[1350], new IPEndPoint(tunnel.EastInner, TestTraffic.Port));
        Assert.Equal((1, 1350), TestTraffic.Receive(receiver, 1));
        Assert.True(await TestTraffic.TransferAsync(network.West, tunnel.WestInner, network.East, tunnel.EastInner, 1 << 20), Drops(tunnel));
    }

    [Fact]
    public async Task Packets_that_may_be_fragmented_are_cut_inside_where_the_path_is_narrow()
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { Mtu = 1500 });
        using WireCapture wire = network.CaptureInEast();
        using Socket receiver = TestTraffic.Open(network.East, tunnel.EastInner, TestTraffic.Port);
        using Socket sender = TestTraffic.Open(network.West, tunnel.WestInner);
        // IP_PMTUDISC_DONT: without DF.
        sender.SetRawSocketOption(Interop.Libc.IPPROTO_IP, Interop.Libc.IP_MTU_DISCOVER, BitConverter.GetBytes(Interop.Libc.IP_PMTUDISC_DONT));

        sender.SendTo(new byte[1472], new IPEndPoint(tunnel.EastInner, TestTraffic.Port));

        Assert.Equal((1, 1472), TestTraffic.Receive(receiver, 1));
        await Eventually(() => wire.Packets.Count(p => p.Protocol == 50) == 2);
        Assert.All(wire.Packets.Where(p => p.Protocol == 50), p => Assert.True(p.DontFragment && !p.IsFragment));
    }

    private static long Packets(EmbeddedDataPlane plane, SaDirection direction) => plane.ReadSaCounters().Where(c => c.Direction == direction).Sum(c => c.Packets);

    private static Dictionary<uint, long> Outbound(EmbeddedDataPlane plane)
        => plane.ReadSaCounters().Where(c => c.Direction == SaDirection.Outbound).ToDictionary(c => c.Spi, c => c.Packets);

    internal static async Task Eventually(Func<bool> condition)
    {
        for (int i = 0; i < 1000 && !condition(); i++)
            await Task.Delay(10);
        Assert.True(condition());
    }

    internal static string Drops(ManualTunnel tunnel)
        => $"\nwest: {Text(tunnel.West.ReadDropCounters())}\neast: {Text(tunnel.East.ReadDropCounters())}";

    private static string Text(IReadOnlyDictionary<string, long> drops) => string.Join(", ", drops.Where(d => d.Value != 0));
}
