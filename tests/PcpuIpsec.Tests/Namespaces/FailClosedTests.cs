using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Esp;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Protected traffic leaves protected or not at all. Each test watches the wire, and sees that the watch would see.</summary>
[Collection("namespaces")]
public sealed class FailClosedTests
{
    [Theory]
    [InlineData(IpsecMode.Tunnel, false)]
    [InlineData(IpsecMode.Tunnel, true)]
    [InlineData(IpsecMode.Transport, false)]
    [InlineData(IpsecMode.Transport, true)]
    public async Task Nothing_leaves_in_clear_before_the_first_SA_nor_after_the_last_nor_without_the_plane(IpsecMode mode, bool isIPv6)
    {
        using var network = new TestNetwork();
        var shape = new TunnelShape { Mode = mode, OuterIPv6 = isIPv6, InnerIPv6 = isIPv6 };
        using WireCapture wire = network.CaptureInEast();
        await SeeInClearAsync(network, shape, wire);
        // Sockets that were connected before, and their cached routes.
        using Socket connected = TestTraffic.Open(network.West, shape.WestInner);
        connected.Connect(shape.EastInner, TestTraffic.Port);

        ManualTunnel tunnel = await ManualTunnel.HoldAsync(network, shape);
        await using (tunnel)
        {
            wire.Clear();
            SendAll(network, shape, connected);
            await AssertNothingInClearAsync(wire, shape);
            Assert.True(tunnel.West.ReadDropCounters()["XfrmOutNoStates"] > 0);

            (uint outbound, _) = await tunnel.InstallPairAsync(null, null);
            SendAll(network, shape, connected);
            await EmbeddedPlaneTests.Eventually(() => wire.Packets.Any(p => p.Protocol == 50));
            await AssertNothingInClearAsync(wire, shape);

            await tunnel.West.RemoveAsync(ManualTunnel.Connection, SaDirection.Outbound, outbound, shape.EastOuter, default);
            wire.Clear();
            SendAll(network, shape, connected);
            await AssertNothingInClearAsync(wire, shape);
            Assert.DoesNotContain(wire.Packets, p => p.Protocol == 50);
        }

        // The plane is gone; what was held is held.
        wire.Clear();
        SendAll(network, shape, connected);
        await AssertNothingInClearAsync(wire, shape);

        await using EmbeddedDataPlane next = await EmbeddedDataPlane.CreateAsync(new EmbeddedOptions { Cpus = [0], NetworkNamespace = TestNetwork.PathOf(network.WestName) }, default);
        await next.ReleaseAsync(ManualTunnel.Connection, default);
        await SeeInClearAsync(network, shape, wire);
        AssertNoRules(network);
    }

    [Theory]
    [InlineData(IpsecMode.Tunnel)]
    [InlineData(IpsecMode.Transport)]
    public async Task Nothing_leaves_in_clear_when_the_process_is_killed_under_load(IpsecMode mode)
    {
        using var network = new TestNetwork();
        var shape = new TunnelShape { Mode = mode };
        using WireCapture wire = network.CaptureInEast();
        await SeeInClearAsync(network, shape, wire);
        using Process west = PlaneProcess.StartWest(network, shape, toEast: 0x10000, toWest: 0x10001);
        using Socket sender = TestTraffic.Open(network.West, shape.WestInner);
        wire.Clear();
        using var stop = new CancellationTokenSource();
        Task<int> sending = Task.Run(() => SendUntil(sender, new IPEndPoint(shape.EastInner, TestTraffic.Port), stop.Token));

        await EmbeddedPlaneTests.Eventually(() => wire.Packets.Count(p => p.Protocol == 50) >= 200);
        PlaneProcess.Kill(west);
        // The TUN goes with the process; from here on the sender hears that there is no way.
        await Task.Delay(300);
        int esp = wire.Packets.Count(p => p.Protocol == 50);
        await Task.Delay(300);
        stop.Cancel();

        Assert.True(await sending > 100, "The load did not go on after the kill, so nothing was proven.");
        await AssertNothingInClearAsync(wire, shape);
        Assert.Equal(esp, wire.Packets.Count(p => p.Protocol == 50));

        // The next process takes over what is held, and its traffic flows.
        using Process again = PlaneProcess.StartWest(network, shape, toEast: 0x10002, toWest: 0x10003);
        TestTraffic.SendPinned(0, sender, new IPEndPoint(shape.EastInner, TestTraffic.Port), 10, 100);
        await EmbeddedPlaneTests.Eventually(() => wire.Packets.Count(p => p.Protocol == 50) == esp + 10);
        await AssertNothingInClearAsync(wire, shape);
        PlaneProcess.Kill(again);
    }

    [Fact]
    public async Task Holding_again_changes_nothing_and_releasing_leaves_nothing()
    {
        using var network = new TestNetwork();
        string before = Routing(network);
        await using (ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape()))
        {
            Assert.NotEmpty(tunnel.West.ReadSaCounters());
            string held = Routing(network);
            Assert.NotEqual(before, held);
            await tunnel.West.HoldAsync(tunnel.Policy(ofWest: true), default);
            Assert.Equal(held, Routing(network));
            await tunnel.West.ReleaseAsync(ManualTunnel.Connection, default);
            await tunnel.West.ReleaseAsync("never held", default);
            Assert.Empty(tunnel.West.ReadSaCounters());
        }
        Assert.Equal(before, Routing(network));
    }

    [Fact]
    public async Task Traffic_outside_the_policy_goes_its_way_while_protected_ports_do_not()
    {
        using var network = new TestNetwork();
        var shape = new TunnelShape();
        using WireCapture wire = network.CaptureInEast();
        await using EmbeddedDataPlane west = await EmbeddedDataPlane.CreateAsync(new EmbeddedOptions { Cpus = [0], NetworkNamespace = TestNetwork.PathOf(network.WestName) }, default);
        await west.HoldAsync(ManualTunnel.Policy(shape, ofWest: true) with
        {
            RemoteSelectors = [ManualTunnel.Selector(shape.EastInner, protocol: 17, startPort: 9000, endPort: 9001)],
        }, default);
        using Socket sender = TestTraffic.Open(network.West, shape.WestInner);
        foreach (int port in (ReadOnlySpan<int>)[8999, 9000, 9001, 9002])
            sender.SendTo(new byte[10], new IPEndPoint(shape.EastInner, port));
        await EmbeddedPlaneTests.Eventually(() => wire.Packets.Count(p => p.Protocol == 17) >= 2);
        await Task.Delay(50);
        Assert.Equal([8999, 9002], wire.Packets.Where(p => p.Protocol == 17).Select(p => (int)p.DestinationPort));
        Assert.Equal(2, west.ReadDropCounters()["XfrmOutNoStates"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_arrives_in_clear_and_has_to_be_protected_is_not_forwarded(bool isIPv6)
    {
        using var network = new TestNetwork();
        var shape = new TunnelShape { OuterIPv6 = isIPv6, InnerIPv6 = isIPv6 };
        // A host behind west, in a namespace of its own.
        string lan = $"{network.WestName}-lan";
        TestNetwork.Ip($"netns add {lan}");
        try
        {
            string gateway = isIPv6 ? "fd01::fe/128" : "10.1.255.254/32", host = isIPv6 ? "fd01::99" : "10.1.99.99";
            string six = isIPv6 ? "-6 " : "";
            TestNetwork.Ip($"-n {network.WestName} link add lan type veth peer name lan netns {lan}");
            TestNetwork.Ip($"-n {network.WestName} addr add {gateway} dev lan" + (isIPv6 ? " nodad" : ""));
            TestNetwork.Ip($"-n {network.WestName} link set lan address 02:00:00:00:00:03");
            TestNetwork.Ip($"-n {lan} link set lan address 02:00:00:00:00:04");
            TestNetwork.Ip($"-n {network.WestName} link set lan up");
            TestNetwork.Ip($"-n {lan} link set lan up");
            TestNetwork.Ip($"-n {lan} addr add {host}{(isIPv6 ? "/128 nodad" : "/32")} dev lan");
            TestNetwork.Ip($"-n {network.WestName} {six}route add {host} dev lan");
            TestNetwork.Ip($"-n {network.WestName} neigh add {host} lladdr 02:00:00:00:00:04 dev lan nud permanent");
            TestNetwork.InNamespace(network.WestName, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
            NamespaceThread inside = network.Enter(lan);
            using Socket receiver = TestTraffic.Open(inside, IPAddress.Parse(host), TestTraffic.Port);
            using Socket sender = TestTraffic.Open(network.East, shape.EastInner);
            var to = new IPEndPoint(IPAddress.Parse(host), TestTraffic.Port);
            TestTraffic.SendPinned(0, sender, to, 3, 100);
            Assert.Equal(3, TestTraffic.Receive(receiver, 3).Count);

            ManualTunnel tunnel = await ManualTunnel.HoldAsync(network, shape);
            await using (tunnel)
            {
                await tunnel.East.ReleaseAsync(ManualTunnel.Connection, default);
                TestTraffic.SendPinned(0, sender, to, 3, 100);
                Assert.True(TestTraffic.ReceivesNothing(receiver));

                // Protected it arrives.
                await tunnel.East.HoldAsync(tunnel.Policy(ofWest: false), default);
                await tunnel.InstallPairAsync(null, null);
                TestTraffic.SendPinned(0, sender, to, 3, 100);
                Assert.Equal(3, TestTraffic.Receive(receiver, 3).Count);
                await tunnel.East.ReleaseAsync(ManualTunnel.Connection, default);
            }
            TestTraffic.SendPinned(0, sender, to, 3, 100);
            Assert.True(TestTraffic.ReceivesNothing(receiver));
        }
        finally
        {
            TestNetwork.Ip($"netns del {lan}");
        }
    }

    /// <summary>Without a hold the same traffic is seen in clear: the capture sees what it is there to see.</summary>
    private static async Task SeeInClearAsync(TestNetwork network, TunnelShape shape, WireCapture wire)
    {
        wire.Clear();
        SendAll(network, shape, connected: null);
        await EmbeddedPlaneTests.Eventually(() => wire.Packets.Any(p => p.IsPlaintextOf(shape)));
        wire.Clear();
    }

    /// <summary>A bound socket, one without an address yet, ICMP, and where given a connected one. Refusals are what is wanted.</summary>
    private static void SendAll(TestNetwork network, TunnelShape shape, Socket? connected)
    {
        var to = new IPEndPoint(shape.EastInner, TestTraffic.Port);
        using Socket bound = TestTraffic.Open(network.West, shape.WestInner);
        using Socket unbound = TestTraffic.Open(network.West, shape.WestInner.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any);
        for (int i = 0; i < 5; i++)
        {
            TrySend(() => bound.SendTo(new byte[100], to));
            TrySend(() => unbound.SendTo(new byte[100], to));
            if (connected is not null)
                TrySend(() => connected.Send(new byte[100]));
        }
        TestNetwork.TryInNamespace(network.WestName, $"ping -c 2 -i 0.01 -W 0.1 {shape.EastInner}");
    }

    private static bool TrySend(Action send)
    {
        try
        {
            send();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <returns>How often the kernel refused, once the way was closed.</returns>
    private static int SendUntil(Socket socket, IPEndPoint to, CancellationToken stop)
    {
        int refused = 0;
        while (!stop.IsCancellationRequested)
        {
            if (!TrySend(() => socket.SendTo(new byte[100], to)))
                refused++;
            Thread.SpinWait(2000);
        }
        return refused;
    }

    private static async Task AssertNothingInClearAsync(WireCapture wire, TunnelShape shape)
    {
        // What was sent last has passed a veth long since.
        await Task.Delay(50);
        Assert.DoesNotContain(wire.Packets, p => p.IsPlaintextOf(shape));
    }

    private static string Routing(TestNetwork network)
        => string.Concat(new[] { "rule", "-6 rule", "route show table all", "-6 route show table all" }.Select(what => TestNetwork.Ip($"-n {network.WestName} {what}")));

    private static void AssertNoRules(TestNetwork network)
        => Assert.DoesNotContain($"proto {TrafficHold.Protocol}", TestNetwork.Ip($"-n {network.WestName} -details rule") + TestNetwork.Ip($"-n {network.WestName} -details -6 rule") + Routing(network));
}
