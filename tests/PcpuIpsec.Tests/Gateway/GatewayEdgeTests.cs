using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Auth;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Gateway;

public class GatewayEdgeTests
{
    private static readonly byte[] _message = [1, 2, 3, 4, 5, 6, 7, 8];
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(10);

    private static async Task<long> CounterAsync(GatewayHarness harness, string name) => (await harness.Gateway.GetStatusAsync()).IkeCounters[name];

    /// <summary>Has the protocol ask for effects when its tunnel is initiated.</summary>
    private static async Task AskAsync(GatewayHarness harness, params IkeEffect[] effects)
    {
        harness.Core.Answer = e => e is InitiateConnection ? effects : [];
        _ = harness.Gateway.ConnectAsync("east").ContinueWith(t => t.Exception, TaskScheduler.Default);
        await Task.Yield();
    }

    [Fact]
    public async Task A_datagram_at_the_IKE_port_reaches_the_protocol_as_it_is()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        using UdpClient peer = harness.Peer(TestTunnels.IkePort);

        await peer.SendAsync(_message);

        DatagramReceived seen = harness.Core.Next<DatagramReceived>();
        Assert.Equal(_message, seen.Message);
        Assert.Equal(new IPEndPoint(harness.Tunnel.LocalAddress, TestTunnels.IkePort), seen.Local);
        Assert.Equal((IPEndPoint)peer.Client.LocalEndPoint!, seen.Remote);
    }

    [Fact]
    public async Task At_the_NAT_traversal_port_the_marker_is_taken_off_and_everything_else_is_counted()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        using UdpClient peer = harness.Peer(TestTunnels.NatTraversalPort);

        await peer.SendAsync(new byte[] { 0xff });
        await peer.SendAsync(_message);
        await peer.SendAsync(NonEspMarker.Prepend(_message));

        Assert.Equal(_message, harness.Core.Next<DatagramReceived>().Message);
        Assert.Equal(1, await CounterAsync(harness, "EdgeKeepalivesReceived"));
        Assert.Equal(1, await CounterAsync(harness, "EdgeMarkerMissing"));
        Assert.Equal(3, await CounterAsync(harness, "EdgeDatagramsReceived"));
    }

    [Theory]
    [InlineData(TestTunnels.IkePort, "0102030405060708")]
    [InlineData(TestTunnels.NatTraversalPort, "000000000102030405060708")]
    public async Task A_message_leaves_with_the_marker_only_from_the_NAT_traversal_port(int port, string wire)
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        using UdpClient peer = harness.Peer(port);

        await AskAsync(harness, new SendDatagram(new IPEndPoint(harness.Tunnel.LocalAddress, port), (IPEndPoint)peer.Client.LocalEndPoint!, _message));

        UdpReceiveResult result = await peer.ReceiveAsync().WaitAsync(_soon);
        Assert.Equal(wire, Convert.ToHexString(result.Buffer));
    }

    [Fact]
    public async Task A_message_from_an_address_without_a_socket_is_counted_and_not_thrown()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();

        await AskAsync(harness, new SendDatagram(new IPEndPoint(IPAddress.Loopback, 1), new IPEndPoint(IPAddress.Loopback, 2), _message));
        harness.Core.Next<InitiateConnection>();

        Assert.Equal(1, await CounterAsync(harness, "EdgeSendErrors"));
        Assert.Equal(0, await CounterAsync(harness, "EdgeFaults"));
    }

    [Fact]
    public async Task A_protocol_that_throws_on_a_datagram_is_counted_logged_and_goes_on()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Core.Answer = e => e is DatagramReceived { Message: [1, ..] } ? throw new InvalidOperationException("a fault") : [];
        using UdpClient peer = harness.Peer(TestTunnels.IkePort);

        await peer.SendAsync(_message);
        await peer.SendAsync(new byte[] { 9 });
        harness.Core.Next<DatagramReceived>();
        harness.Core.Next<DatagramReceived>();

        Assert.Equal(1, await CounterAsync(harness, "EdgeFaults"));
        Assert.Contains(harness.Log.Lines, l => l.Id == 400 && l.Text.Contains("a fault"));
    }

    [Fact]
    public async Task An_effect_that_throws_does_not_take_the_others_along()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();

        await AskAsync(
            harness,
            new SendDatagram(new IPEndPoint(harness.Tunnel.LocalAddress, TestTunnels.IkePort), new IPEndPoint(IPAddress.IPv6Loopback, 500), _message),
            new SignAuth(1, "east", PseudorandomFunction.PRF_HMAC_SHA2_256, [1]));

        Assert.Equal(1, harness.Core.Next<AuthSigned>().Id);
        Assert.Equal(1, await CounterAsync(harness, "EdgeFaults") + await CounterAsync(harness, "EdgeSendErrors"));
    }

    [Fact]
    public async Task Key_pairs_and_secrets_are_made_by_both_ends_alike()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        await AskAsync(harness, new GenerateKeyPair(7, KeyExchangeMethod.CURVE25519));

        KeyPairGenerated ours = harness.Core.Next<KeyPairGenerated>();
        Assert.Equal(7, ours.Id);
        using KeyPair peers = KeyExchanges.Generate(KeyExchangeMethod.CURVE25519);
        harness.Core.Answer = e => e is InboundTraffic ? [new DeriveSharedSecret(8, ours.KeyPair, peers.PublicValue.ToArray()), new DeriveSharedSecret(9, ours.KeyPair, [1, 2, 3])] : [];
        harness.Plane.Raise(new InboundUsed(1));

        IkeCompletion one = harness.Core.Next<IkeCompletion>(), other = harness.Core.Next<IkeCompletion>();
        SharedSecretDerived derived = Assert.IsType<SharedSecretDerived>(one is SharedSecretDerived ? one : other);
        RequestFailed failed = Assert.IsType<RequestFailed>(one is SharedSecretDerived ? other : one);
        Assert.Equal(9, failed.Id);
        using Secret expected = peers.Derive(ours.KeyPair.PublicValue.Span);
        Assert.True(derived.Secret.FixedTimeEquals(expected.Span));
        derived.Secret.Dispose();
        ours.KeyPair.Dispose();
    }

    [Fact]
    public async Task AUTH_is_checked_against_the_tunnels_identity_method_and_key()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        byte[] octets = [1, 2, 3];
        byte[] good = PreSharedKey.Compute(PseudorandomFunction.PRF_HMAC_SHA2_256, harness.Tunnel.PreSharedKey!, octets);
        IkeIdentity peer = IkeIdentity.Parse(harness.Tunnel.RemoteAddress.ToString()), stranger = IkeIdentity.Parse("stranger.example");
        const AuthMethod Psk = AuthMethod.Shared_Key_Message_Integrity_Code;
        const PseudorandomFunction Prf = PseudorandomFunction.PRF_HMAC_SHA2_256;

        await AskAsync(
            harness,
            new SignAuth(1, "east", Prf, octets),
            new VerifyAuth(2, "east", peer, Psk, good, Prf, octets),
            new VerifyAuth(3, "east", stranger, Psk, good, Prf, octets),
            new VerifyAuth(4, "east", peer, AuthMethod.Digital_Signature, good, Prf, octets),
            new VerifyAuth(5, "east", peer, Psk, [.. good[..^1], (byte)(good[^1] ^ 1)], Prf, octets),
            new VerifyAuth(6, "nowhere", peer, Psk, good, Prf, octets),
            new SignAuth(7, "nowhere", Prf, octets));

        Assert.Equal(good, harness.Core.Next<AuthSigned>().Data);
        Assert.Equal([true, false, false, false, false], Enumerable.Range(0, 5).Select(_ => harness.Core.Next<AuthVerified>().Valid));
        Assert.Equal(7, harness.Core.Next<RequestFailed>().Id);
    }

    [Fact]
    public async Task Calls_of_the_data_plane_keep_the_order_of_the_effects_and_failures_are_answered()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Plane.RefuseInstall = sa => new InvalidOperationException($"no room for {sa.Spi}");
        var sa = new SaInstallation
        {
            Direction = SaDirection.Inbound,
            Connection = "east",
            Spi = 5000,
            Source = harness.Tunnel.RemoteAddress,
            Destination = harness.Tunnel.LocalAddress,
            Suite = FakeCore.Suite,
            EncryptionKey = Secret.CopyOf(new byte[20]),
            IntegrityKey = Secret.CopyOf([]),
            Mode = IpsecMode.Tunnel,
            LocalSelectors = [],
            RemoteSelectors = [],
        };
        IPAddress local = harness.Tunnel.LocalAddress, remote = harness.Tunnel.RemoteAddress;

        await AskAsync(
            harness,
            new ReserveSpi(1, "east", 3, local, remote),
            new InstallSa(2, sa),
            new RemoveSa("east", SaDirection.Outbound, 77, remote),
            new ReleaseSpi(78, local, remote));

        // The plane is called in order; its answers come by themselves.
        IkeCompletion[] answers = [.. new[] { harness.Core.Next<IkeCompletion>(), harness.Core.Next<IkeCompletion>() }.OrderBy(a => a.Id)];
        Assert.Equal(1, Assert.IsType<SpiReserved>(answers[0]).Id);
        RequestFailed failed = Assert.IsType<RequestFailed>(answers[1]);
        Assert.Equal((2, "no room for 5000"), (failed.Id, failed.Reason));
        await GatewayHarness.UntilAsync(() => harness.Plane.Calls.Count == 5, "five calls");
        Assert.Equal(["hold east", "reserve east 3", "install Inbound 5000", "remove Outbound 77", "release-spi 78"], harness.Plane.Calls);
    }

    [Fact]
    public async Task Acquires_movements_and_usage_go_through_the_planes_queue_and_a_movement_that_fails_is_answered()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        var from = new IPEndPoint(IPAddress.Loopback, 1);
        var to = new IPEndPoint(IPAddress.Loopback, 2);
        await AskAsync(harness, new AllowAcquires("east", true), new UpdateSaRemote(1, SaDirection.Outbound, 77, from, to));
        Assert.Equal(1, harness.Core.Next<SaUpdated>().Id);
        harness.Core.Answer = e => e is InboundTraffic ? [new ReadSaUsage(2, "east")] : [];
        harness.Plane.Raise(new InboundUsed(1));
        SaUsageRead read = harness.Core.Next<SaUsageRead>();
        Assert.Equal(2, read.Id);
        Assert.Empty(read.Usage);
        Assert.Equal(["hold east", "acquires east True", "update Outbound 77 127.0.0.1:1 127.0.0.1:2"], harness.Plane.Calls);

        harness.Plane.RefuseUpdate = new PcpuIpsecException(PcpuIpsecError.KernelRefused, "not in place");
        harness.Core.Answer = e => e is InboundTraffic ? [new UpdateSaRemote(3, SaDirection.Outbound, 77, from, to)] : [];
        harness.Plane.Raise(new InboundUsed(1));
        Assert.Equal((3, "not in place"), harness.Core.Next<RequestFailed>() is var failed ? (failed.Id, failed.Reason) : default);
    }

    [Fact]
    public async Task Usage_that_many_ask_for_within_a_second_is_read_once()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        await AskAsync(harness, [.. Enumerable.Range(1, 20).Select(id => new ReadSaUsage(id, id % 2 == 0 ? "east" : "north"))]);
        Assert.Equal(Enumerable.Range(1, 20).Select(id => (long)id), Enumerable.Range(1, 20).Select(_ => harness.Core.Next<SaUsageRead>().Id).ToArray().Order());
        Assert.Equal(1, harness.Plane.CounterReads);
    }

    [Fact]
    public async Task What_the_data_plane_says_reaches_the_protocol()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        TrafficSelector trigger = TrafficSelector.Parse("192.0.1.7");

        harness.Plane.Raise(new AcquireRaised("east", 1, trigger, trigger));
        harness.Plane.Raise(new SaExpired(SaDirection.Outbound, 9, IPAddress.Loopback, Hard: true));
        harness.Plane.Raise(new InboundUsed(10));
        harness.Plane.Raise(new AcquireRaised("east", null, trigger, trigger));
        harness.Plane.Raise(new PeerMapped(11, new IPEndPoint(IPAddress.Loopback, 4501)));

        Assert.Equal(new Acquire("east", 1, trigger, trigger), harness.Core.Next<Acquire>());
        Assert.Equal(new LifetimeReached(SaDirection.Outbound, 9, IPAddress.Loopback, Hard: true), harness.Core.Next<LifetimeReached>());
        Assert.Equal(new InboundTraffic(10), harness.Core.Next<InboundTraffic>());
        Assert.Null(harness.Core.Next<Acquire>().Cpu);
        Assert.Equal(new PeerSeen(11, new IPEndPoint(IPAddress.Loopback, 4501)), harness.Core.Next<PeerSeen>());
    }

    [Fact]
    public async Task A_plane_that_fails_ends_every_wait_and_is_an_event()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        Task connecting = harness.Gateway.ConnectAsync("east");
        harness.Core.Next<InitiateConnection>();

        harness.Plane.Raise(new PlaneFailed("worker 0 ended"));

        var error = await Assert.ThrowsAsync<PcpuIpsecException>(() => connecting.WaitAsync(_soon));
        Assert.Equal("Tunnel 'east': the data plane failed: worker 0 ended", error.Message);
        await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.ConnectAsync("east").WaitAsync(_soon));
    }

    [Fact]
    public async Task The_protocols_deadline_is_kept()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Core.Answer = e =>
        {
            if (e is InboundTraffic)
                harness.Core.NextDeadline = TimeSpan.FromMilliseconds(1);
            return [];
        };

        harness.Plane.Raise(new InboundUsed(1));

        harness.Core.Next<TimePassed>();
    }

    [Fact]
    public async Task CPUs_that_go_and_come_are_told_once_each()
    {
        List<int> online = [0, 1];
        List<(int, bool)> seen = [];
        await using (new CpuWatch([0, 1], () => Locked(() => online.ToArray()), TimeSpan.FromMilliseconds(1), (cpu, on) => Locked(() => { seen.Add((cpu, on)); return 0; }), new CollectingLogger()))
        {
            Locked(() => online.Remove(1));
            await GatewayHarness.UntilAsync(() => Locked(() => seen.Count) == 1, "CPU 1 offline");
            Locked(() => { online.Add(1); return 0; });
            await GatewayHarness.UntilAsync(() => Locked(() => seen.Count) == 2, "CPU 1 online");
        }

        Assert.Equal([(1, false), (1, true)], seen);

        T Locked<T>(Func<T> action)
        {
            lock (seen)
                return action();
        }
    }
}
