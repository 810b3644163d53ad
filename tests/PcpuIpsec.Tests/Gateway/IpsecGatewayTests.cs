using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Gateway;

public class IpsecGatewayTests
{
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(10);

    private static IkeEffect[] Up(FakeCore core, params ChildSaInfo[] children)
    {
        core.Connections["east"] = FakeCore.Snapshot("east", "up", children);
        return [new Report(FakeCore.Established("east")), .. children.Select(c => new Report(new ChildSaEstablished("east", c)))];
    }

    private static SaInstallation Installation(GatewayHarness harness, SaDirection direction, uint spi) => new()
    {
        Direction = direction,
        Connection = "east",
        Spi = spi,
        Source = harness.Tunnel.RemoteAddress,
        Destination = harness.Tunnel.LocalAddress,
        Suite = FakeCore.Suite,
        EncryptionKey = Secret.CopyOf(new byte[20]),
        IntegrityKey = Secret.CopyOf([]),
        Mode = IpsecMode.Tunnel,
        LocalSelectors = [],
        RemoteSelectors = [],
    };

    [Fact]
    public async Task A_tunnels_traffic_is_held_before_the_protocol_hears_of_it()
    {
        var core = new FakeCore();
        var plane = new FakeDataPlane();
        bool heldFirst = false;
        core.Answer = e =>
        {
            if (e is AddConnection)
                heldFirst = plane.Held.ContainsKey("east");
            return [];
        };
        await using GatewayHarness harness = await GatewayHarness.StartAsync(core: core, plane: plane);

        core.Next<AddConnection>();
        Assert.True(heldFirst);
        Assert.Equal(TunnelState.Down, Assert.Single((await harness.Gateway.GetStatusAsync()).Tunnels).State);
    }

    [Fact]
    public async Task Of_several_tunnels_at_the_start_the_wrong_one_is_named_and_none_is_held()
    {
        var plane = new FakeDataPlane();
        TunnelOptions right = TestTunnels.OnLoopback(), wrong = TestTunnels.OnLoopback() with { Name = "west", ReplayWindow = 1 };
        var options = new GatewayOptions { Tunnels = [right, wrong] };

        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => IpsecGateway.StartAsync(options, plane, "a test", new FakeCore(), CancellationToken.None));

        Assert.Equal((PcpuIpsecError.InvalidOption, "Tunnel 'west': ReplayWindow: '1' is not allowed; allowed: 64 to 4096"), (e.Error, e.Message));
        Assert.Empty(plane.Held);
        Assert.True(plane.Disposed);
    }

    [Theory]
    [InlineData(false, "Gateway stopped; the traffic of 1 tunnel stays held")]
    [InlineData(true, "Gateway stopped; it holds no traffic")]
    public async Task The_last_line_of_the_log_says_what_stays_held(bool removed, string expected)
    {
        GatewayHarness harness = await GatewayHarness.StartAsync();
        if (removed)
            await harness.Gateway.RemoveTunnelAsync("east");

        await harness.DisposeAsync();

        Assert.Equal(expected, harness.Log.Messages[^1]);
    }

    [Fact]
    public async Task Connect_completes_when_the_fallback_is_up()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Core.Answer = e => e is InitiateConnection ? Up(harness.Core, FakeCore.Child(0, 0x1001, fallback: true)) : [];

        await harness.Gateway.ConnectAsync("east").WaitAsync(_soon);

        TunnelStatus tunnel = Assert.Single((await harness.Gateway.GetStatusAsync()).Tunnels);
        Assert.Equal(TunnelState.Up, tunnel.State);
        Assert.True(Assert.Single(tunnel.ChildSas).IsFallback);
    }

    [Theory]
    [InlineData(PcpuIpsecError.AuthenticationFailed, "the peer refused our authentication")]
    [InlineData(PcpuIpsecError.NoProposalChosen, "no proposal in common")]
    [InlineData(PcpuIpsecError.PeerSilent, "no answer")]
    public async Task Connect_fails_with_the_protocols_reason_and_the_tunnel_stays_held(PcpuIpsecError error, string reason)
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Core.Answer = e => e is InitiateConnection ? [new Report(new IkeSaFailed("east", error, reason))] : [];

        var thrown = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.ConnectAsync("east").WaitAsync(_soon));

        Assert.Equal(error, thrown.Error);
        Assert.Equal($"Tunnel 'east': {reason}", thrown.Message);
        Assert.Contains("east", harness.Plane.Held.Keys);
        Assert.Equal(reason, Assert.Single((await harness.Gateway.GetStatusAsync()).Tunnels).LastError);
    }

    [Fact]
    public async Task Connect_fails_when_the_first_Child_SA_does()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Core.Answer = e => e is InitiateConnection
            ? [new Report(new ChildSaFailed("east", null, PcpuIpsecError.TrafficSelectorsUnacceptable, "TS_UNACCEPTABLE"))] : [];

        var thrown = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.ConnectAsync("east").WaitAsync(_soon));

        Assert.Equal(PcpuIpsecError.TrafficSelectorsUnacceptable, thrown.Error);
    }

    [Fact]
    public async Task Waiting_for_Child_SAs_ends_only_when_every_CPU_has_its_own()
    {
        var plane = new FakeDataPlane { Cpus = [0, 1] };
        await using GatewayHarness harness = await GatewayHarness.StartAsync(t => t with { PerCpu = new PerCpuOptions() }, plane: plane);
        ChildSaInfo fallback = FakeCore.Child(0, 0x1001, fallback: true), first = FakeCore.Child(1, 0x1101, cpu: 0), second = FakeCore.Child(2, 0x1201, cpu: 1, outbound: false);
        harness.Core.Answer = e => e switch
        {
            InitiateConnection => Up(harness.Core, fallback, first, second),
            InboundTraffic => Up(harness.Core, fallback, first, second with { OutboundInstalled = true }),
            _ => [],
        };
        await harness.Gateway.ConnectAsync("east").WaitAsync(_soon);

        Task<TunnelStatus> all = harness.Gateway.WaitForChildSasAsync("east");
        await harness.Gateway.GetStatusAsync();
        Assert.False(all.IsCompleted);
        plane.Raise(new InboundUsed(0x1201));

        Assert.Equal([null, 0, 1], (await all.WaitAsync(_soon)).ChildSas.Select(c => c.Cpu));
    }

    [Fact]
    public async Task The_status_joins_the_Child_SAs_with_the_planes_counters()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Core.Answer = e => e switch
        {
            InitiateConnection => [new InstallSa(1, Installation(harness, SaDirection.Inbound, 0x1001)), new InstallSa(2, Installation(harness, SaDirection.Outbound, 0x1002))],
            SaInstalled { Id: 2 } => Up(harness.Core, FakeCore.Child(0, 0x1001, fallback: true)),
            _ => [],
        };
        await harness.Gateway.ConnectAsync("east").WaitAsync(_soon);

        GatewayStatus status = await harness.Gateway.GetStatusAsync();
        ChildSaStatus child = Assert.Single(Assert.Single(status.Tunnels).ChildSas);
        Assert.Equal((0x1001 * 10, 0x1001 * 1000, 0x1002 * 10, 0x1002 * 1000), (child.PacketsIn, child.BytesIn, child.PacketsOut, child.BytesOut));
        Assert.Equal((1, 2, 6), (child.ReplayDrops, child.IntegrityDrops, child.OtherDrops));
        Assert.Equal("aes128gcm16-esn", child.Suite);
        Assert.Equal(7, status.DropCounters["XfrmInNoStates"]);
        Assert.Equal(5, status.IkeCounters["fake"]);
        Assert.Equal(("fake", "a test"), (status.DataPlane, status.DataPlaneReason));
    }

    [Fact]
    public async Task Rekeying_completes_with_a_new_SPI_and_moving_with_the_new_CPU()
    {
        var plane = new FakeDataPlane { Cpus = [0, 1] };
        await using GatewayHarness harness = await GatewayHarness.StartAsync(t => t with { PerCpu = new PerCpuOptions() }, plane: plane);
        ChildSaInfo fallback = FakeCore.Child(0, 0x1001, fallback: true);
        harness.Core.Answer = e => e switch
        {
            InitiateConnection => Up(harness.Core, fallback, FakeCore.Child(1, 0x1101, cpu: 0)),
            RekeyChild { NewCpu: null } => Up(harness.Core, fallback, FakeCore.Child(1, 0x1201, cpu: 0)),
            RekeyChild { NewCpu: { } cpu } => Up(harness.Core, fallback, FakeCore.Child(1, 0x1301, cpu: cpu)),
            _ => [],
        };
        await harness.Gateway.ConnectAsync("east").WaitAsync(_soon);

        await harness.Gateway.RekeyChildSaAsync("east", 1).WaitAsync(_soon);
        await harness.Gateway.MoveChildSaAsync("east", 1, 1).WaitAsync(_soon);

        Assert.Equal(1, (await harness.Gateway.GetStatusAsync()).Tunnels[0].ChildSas[1].Cpu);
        var noCpu = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.MoveChildSaAsync("east", 1, 9));
        Assert.Equal("cpu: CPU 9 is none of the data plane's; those are 0-1", noCpu.Message);
        var noChild = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.RekeyChildSaAsync("east", 7));
        Assert.Equal("number: 7 is no Child SA of tunnel 'east'; it has: 0, 1", noChild.Message);
        await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.MoveChildSaAsync("east", 0, 1));
    }

    [Fact]
    public async Task A_rekeying_that_the_peer_refuses_fails_and_one_that_it_refuses_for_now_is_waited_for()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        ChildSaInfo fallback = FakeCore.Child(0, 0x1001, fallback: true);
        NotifyType refusal = NotifyType.NO_PROPOSAL_CHOSEN;
        harness.Core.Answer = e => e switch
        {
            InitiateConnection => Up(harness.Core, fallback),
            RekeyChild => [new Report(new ChildSaRekeyFailed("east", fallback, null, PcpuIpsecError.NoProposalChosen, "the peer said so", refusal))],
            _ => [],
        };
        await harness.Gateway.ConnectAsync("east").WaitAsync(_soon);

        var refused = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.RekeyChildSaAsync("east", 0).WaitAsync(_soon));
        refusal = NotifyType.TEMPORARY_FAILURE;
        using var cancel = new CancellationTokenSource();
        Task waiting = harness.Gateway.RekeyChildSaAsync("east", 0, cancel.Token);
        await harness.Gateway.GetStatusAsync();

        Assert.Equal((PcpuIpsecError.NoProposalChosen, "Tunnel 'east': the peer said so"), (refused.Error, refused.Message));
        Assert.False(waiting.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task Closing_keeps_the_traffic_held_and_removing_lets_it_go()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Core.Answer = e => e switch
        {
            InitiateConnection => Up(harness.Core, FakeCore.Child(0, 0x1001, fallback: true)),
            CloseConnection { Forget: false } => Down(),
            _ => [],
        };
        IkeEffect[] Down()
        {
            harness.Core.Connections["east"] = FakeCore.Snapshot("east", "down");
            return [new Report(new IkeSaClosed("east", 1, 2, null, "asked for"))];
        }
        await harness.Gateway.ConnectAsync("east").WaitAsync(_soon);

        await harness.Gateway.CloseTunnelAsync("east").WaitAsync(_soon);
        Assert.Contains("east", harness.Plane.Held.Keys);

        await harness.Gateway.RemoveTunnelAsync("east").WaitAsync(_soon);
        Assert.Empty(harness.Plane.Held);
        Assert.Empty((await harness.Gateway.GetStatusAsync()).Tunnels);
        await harness.Gateway.AddTunnelAsync(harness.Tunnel).WaitAsync(_soon);
    }

    [Fact]
    public async Task A_silent_peer_does_not_keep_a_tunnel_and_no_SA_outlives_its_policy()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Core.Answer = e =>
        {
            // The delete is never answered: the connection stays in the snapshot.
            if (e is CloseConnection)
                Up(harness.Core, FakeCore.Child(0, 0x1001, fallback: true));
            return [];
        };
        harness.Plane.Installed[(SaDirection.Outbound, 0x1002)] = Installation(harness, SaDirection.Outbound, 0x1002);

        await harness.Gateway.RemoveTunnelAsync("east").WaitAsync(_soon);

        Assert.Equal("release east", harness.Plane.Calls.Last());
        Assert.Empty(harness.Plane.Installed);
        Assert.Contains(harness.Log.Lines, l => l.Id == 105);
    }

    [Fact]
    public async Task Disposing_closes_every_tunnel_and_keeps_the_holds()
    {
        GatewayHarness harness = await GatewayHarness.StartAsync();

        await harness.DisposeAsync();

        Assert.False(harness.Core.Next<CloseConnection>().Forget);
        Assert.True(harness.Core.Next<CloseConnection>().Forget);
        Assert.Contains("east", harness.Plane.Held.Keys);
        Assert.True(harness.Plane.Disposed);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => harness.Gateway.GetStatusAsync());
        await foreach (GatewayEvent e in harness.Gateway.Events)
            Assert.NotEqual(GatewayEventKind.TunnelRemoved, e.Kind);
    }

    [Fact]
    public async Task Whoever_waits_when_the_gateway_stops_is_told()
    {
        GatewayHarness harness = await GatewayHarness.StartAsync();
        Task connecting = harness.Gateway.ConnectAsync("east");
        harness.Core.Next<InitiateConnection>();

        await harness.DisposeAsync();

        Assert.Equal(PcpuIpsecError.Aborted, (await Assert.ThrowsAsync<PcpuIpsecException>(() => connecting)).Error);
    }

    [Fact]
    public async Task An_added_tunnel_that_cannot_be_held_leaves_nothing_behind()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        harness.Plane.RefuseHold = p => p.Connection == "north" ? new PcpuIpsecException(PcpuIpsecError.HostUnable, "no route") : null;
        TunnelOptions north = TestTunnels.OnLoopback("north");

        await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.AddTunnelAsync(north));

        Assert.DoesNotContain("north", harness.Plane.Held.Keys);
        Assert.Single((await harness.Gateway.GetStatusAsync()).Tunnels);
        using var free = new System.Net.Sockets.UdpClient(new IPEndPoint(north.LocalAddress, north.IkePort));
        harness.Plane.RefuseHold = _ => null;
    }

    [Fact]
    public async Task A_start_that_fails_does_not_open_what_a_killed_process_left_closed()
    {
        var plane = new FakeDataPlane { RefuseHold = p => p.Connection == "broken" ? new PcpuIpsecException(PcpuIpsecError.HostUnable, "no route") : null };
        plane.HeldBefore.Add("left", PriorHold.Held);
        GatewayOptions options = new() { Tunnels = [TestTunnels.OnLoopback("left"), TestTunnels.OnLoopback("fresh"), TestTunnels.OnLoopback("broken")] };

        await Assert.ThrowsAsync<PcpuIpsecException>(() => IpsecGateway.StartAsync(options, plane, "a test", new FakeCore(), CancellationToken.None));

        Assert.Equal(["left"], plane.Held.Keys);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said_so_and_nothing_is_held()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();
        TunnelOptions north = TestTunnels.OnLoopback("north");
        using var other = new System.Net.Sockets.UdpClient(new IPEndPoint(north.LocalAddress, north.NatTraversalPort));

        var error = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.AddTunnelAsync(north));

        Assert.Equal(PcpuIpsecError.HostUnable, error.Error);
        Assert.Contains($"{north.LocalAddress}:{north.NatTraversalPort}", error.Message);
        Assert.Contains("another program uses the port", error.Message);
        Assert.DoesNotContain("hold north", harness.Plane.Calls);
    }

    [Fact]
    public async Task Two_tunnels_of_one_name_and_ports_of_two_purposes_are_refused()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();

        var name = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.AddTunnelAsync(TestTunnels.OnLoopback()));
        Assert.StartsWith("Name: 'east' is another tunnel's", name.Message);
        TunnelOptions swapped = harness.Tunnel with { Name = "swapped", IkePort = TestTunnels.NatTraversalPort, NatTraversalPort = TestTunnels.IkePort };
        var port = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.AddTunnelAsync(swapped));
        Assert.StartsWith("IkePort: '15501' is another tunnel's NatTraversalPort", port.Message);
    }

    [Fact]
    public async Task A_tunnel_that_is_to_be_up_is_initiated_again_when_it_is_lost()
    {
        var core = new FakeCore();
        int attempts = 0;
        core.Answer = e => e is InitiateConnection && ++attempts == 1
            ? [new Report(new IkeSaFailed("east", PcpuIpsecError.PeerSilent, "no answer"))] : [];
        await using GatewayHarness harness = await GatewayHarness.StartAsync(t => t with { StartAction = StartAction.Initiate }, core);

        core.Next<InitiateConnection>();
        core.Next<InitiateConnection>();

        Assert.Contains(harness.Log.Lines, l => l.Id == 106);
    }

    [Fact]
    public async Task The_kernel_plane_that_is_asked_for_is_there_or_refused_in_one_sentence()
    {
        PcpuIpsecException error;
        try
        {
            await using IpsecGateway gateway = await IpsecGateway.StartAsync(new GatewayOptions { DataPlane = DataPlaneKind.Kernel });
            Assert.Equal("kernel", (await gateway.GetStatusAsync()).DataPlane);
            return;
        }
        catch (PcpuIpsecException e)
        {
            error = e;
        }
        Assert.Equal(PcpuIpsecError.HostUnable, error.Error);
        Assert.StartsWith("The kernel data plane cannot be had: ", error.Message);
    }

    [Fact]
    public async Task Gateway_options_are_validated_too()
    {
        var cpu = await Assert.ThrowsAsync<PcpuIpsecException>(() => IpsecGateway.StartAsync(new GatewayOptions { Cpus = [8191] }));
        Assert.StartsWith("Cpus: CPU 8191 is not online; online are ", cpu.Message);
        var time = await Assert.ThrowsAsync<PcpuIpsecException>(() => IpsecGateway.StartAsync(new GatewayOptions { CloseTimeout = TimeSpan.FromMinutes(2) }));
        Assert.Equal("CloseTimeout: '00:02:00' is not allowed; allowed: 00:00:00 to 00:01:00", time.Message);
    }

    [Fact]
    public async Task An_unknown_tunnel_is_named_with_the_known_ones()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync();

        var error = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.ConnectAsync("west"));

        Assert.Equal("tunnel: 'west' is unknown; known are: east", error.Message);
    }

    [Fact]
    public async Task A_suite_without_encryption_is_warned_about_in_log_and_events()
    {
        await using GatewayHarness harness = await GatewayHarness.StartAsync(t => t with { EspSuites = ["null-sha256"] });

        Assert.Contains(harness.Log.Lines, l => l.Id == 104 && l.Text.Contains("ENCR_NULL"));
        await foreach (GatewayEvent e in harness.Gateway.Events)
        {
            if (e.Kind == GatewayEventKind.Warning)
                return;
        }
        Assert.Fail("no warning among the events");
    }
}
