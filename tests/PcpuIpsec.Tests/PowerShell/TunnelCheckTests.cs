using PcpuIpsec.Client;
using PcpuIpsec.PowerShell;

namespace PcpuIpsec.Tests.PowerShell;

public sealed class TunnelCheckTests
{
    [Fact]
    public void Each_cpu_with_a_child_sa_of_its_own_passes_with_what_it_sent_and_the_peer_received()
    {
        Tunnel before = Up(Child(1, null, 10), Child(2, 0, 5)), after = Up(Child(1, null, 10), Child(2, 0, 25));
        Tunnel peerBefore = Up(Child(7, null, 0, inbound: 1001, received: 10), Child(8, 0, 0, inbound: 1002, received: 5));
        Tunnel peerAfter = Up(Child(7, null, 0, inbound: 1001, received: 10), Child(8, 0, 0, inbound: 1002, received: 25));

        TunnelCheckResult[] results = [.. TunnelCheck.Run([0], before, after, peerBefore, peerAfter)];

        Assert.Equal([(null, CheckOutcome.Pass, 0, 0), (0, CheckOutcome.Pass, 20, 20)], results.Select(r => (r.Cpu, r.Outcome, r.PacketsOut, r.PeerPacketsIn!.Value)));
    }

    [Fact]
    public void A_fallback_that_sends_is_a_warning_and_a_cpu_without_its_own_a_failure()
    {
        TunnelCheckResult[] results = [.. TunnelCheck.Run([0, 1], Up(Child(1, null, 10), Child(2, 0, 5)), Up(Child(1, null, 11), Child(2, 0, 5)), null, null)];

        Assert.Equal([(null, CheckOutcome.Warning), (0, CheckOutcome.Pass), (1, CheckOutcome.Failure)], results.Select(r => (r.Cpu, r.Outcome)));
        Assert.All(results, r => Assert.Null(r.PeerPacketsIn));
    }

    [Fact]
    public void A_cpu_that_has_not_sent_needs_none_on_demand()
    {
        Tunnel tunnel = Up(Child(1, null, 0));
        tunnel = tunnel with { Definition = tunnel.Definition with { PerCpu = new PerCpuDefinition { OnDemand = true } } };

        Assert.All(TunnelCheck.Run([0], tunnel, tunnel, null, null), r => Assert.Equal(CheckOutcome.Pass, r.Outcome));
    }

    [Fact]
    public void A_child_sa_that_the_peer_does_not_have_is_a_failure()
    {
        Tunnel here = Up(Child(2, 0, 5)), there = Up(Child(8, 0, 0, inbound: 4711));

        Assert.Equal(CheckOutcome.Failure, Assert.Single(TunnelCheck.Run([0], here, here, there, there)).Outcome);
    }

    [Fact]
    public void A_tunnel_that_is_down_or_has_no_per_cpu_sas_is_told_as_one()
    {
        Tunnel down = Up() with { State = TunnelState.Down, LastError = "the peer is silent" };
        TunnelCheckResult failed = Assert.Single(TunnelCheck.Run([0], down, down, null, null));
        Assert.Equal((CheckOutcome.Failure, "the tunnel is down: the peer is silent"), (failed.Outcome, failed.Detail));

        Tunnel one = Up(Child(1, null, 0));
        one = one with { Definition = one.Definition with { PerCpu = null } };
        Assert.Equal(CheckOutcome.Warning, Assert.Single(TunnelCheck.Run([0], one, one, null, null)).Outcome);
    }

    private static Tunnel Up(params ChildSa[] children) => new()
    {
        Name = "lab",
        State = TunnelState.Up,
        Definition = new TunnelDefinition { Name = "lab", LocalAddress = "10.0.0.1", RemoteAddress = "10.0.0.2", PerCpu = new PerCpuDefinition() },
        ChildSas = children,
    };

    private static ChildSa Child(int number, int? cpu, long sent, int inbound = 0, long received = 0) => new()
    {
        Tunnel = "lab",
        Number = number,
        Cpu = cpu,
        IsFallback = cpu is null,
        InboundSpi = $"0x{inbound:d8}",
        OutboundSpi = $"0x{1000 + number:d8}",
        OutboundInstalled = true,
        InitiatedByUs = true,
        Mode = TunnelMode.Tunnel,
        Suite = "aes128gcm16",
        LocalSelectors = [],
        RemoteSelectors = [],
        PacketsIn = received,
        BytesIn = 0,
        PacketsOut = sent,
        BytesOut = 0,
        ReplayDrops = 0,
        IntegrityDrops = 0,
        OtherDrops = 0,
    };
}
