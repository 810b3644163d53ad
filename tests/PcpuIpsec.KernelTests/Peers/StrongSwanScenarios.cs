using PcpuIpsec.Gateway;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>Which SA something is done to.</summary>
public enum WhichSa
{
    PerCpuChild,
    Fallback,
    Ike,
}

/// <summary>
/// What our gateway and strongSwan have to come through, whatever carries the packets of each. "Initiator" is who sends the
/// first IKE_SA_INIT, "by" who does what the test is about.
/// </summary>
public abstract class StrongSwanScenarios
{
    private readonly PeerFixture _fixture;
    private readonly ITestOutputHelper _output;

    protected StrongSwanScenarios(PeerFixture fixture, ITestOutputHelper output)
    {
        _fixture = fixture;
        _output = output;
    }

    private protected PeerLab Lab => _fixture.Lab;

    private static StrongSwanOptions PerCpu { get; } = new() { PerCpuSas = "yes" };

    [PeerTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task Without_per_cpu_sas_one_child_sa_carries_the_traffic_of_every_cpu(End initiator)
    {
        await using PeerTunnel tunnel = await OpenAsync(new StrongSwanOptions());
        await tunnel.ConnectAsync(initiator);

        await tunnel.AssertWellAsync();

        TunnelStatus status = await tunnel.StatusAsync();
        Assert.False(status.IkeSa!.PerResource);
        Assert.True(Assert.Single(status.ChildSas).IsFallback);
    }

    [PeerTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task With_per_cpu_sas_the_traffic_of_each_cpu_goes_through_its_own_child_sa(End initiator)
    {
        await using PeerTunnel tunnel = await OpenAsync(PerCpu);
        await tunnel.ConnectAsync(initiator);
        await tunnel.PerCpuSasAsync();
        await tunnel.AssertWellAsync();

        await AssertOwnSasAsync(tunnel);
    }

    [PeerTheory]
    [CombinatorialEnds]
    public async Task A_rekeyed_sa_takes_over_without_loss(End initiator, End by, WhichSa which)
    {
        await using PeerTunnel tunnel = await OpenAsync(PerCpu);
        await tunnel.ConnectAsync(initiator);
        await tunnel.PerCpuSasAsync();
        await tunnel.AssertWellAsync();

        TunnelStatus before = await tunnel.StatusAsync();
        ChildSaStatus? child = which switch
        {
            WhichSa.PerCpuChild => await tunnel.OurPerCpuSaAsync(),
            WhichSa.Fallback => await tunnel.OurFallbackAsync(),
            _ => null,
        };
        Task rekeying = (by, child) switch
        {
            (End.Us, null) => tunnel.Gateway.RekeyIkeSaAsync(PeerTunnel.Name),
            (End.Us, _) => tunnel.Gateway.RekeyChildSaAsync(PeerTunnel.Name, child.Number),
            (_, null) => tunnel.Peer.RekeyIkeAsync(),
            _ => tunnel.Peer.RekeyChildAsync(await tunnel.AtPeerAsync(child)),
        };
        await rekeying;
        await PeerTunnel.UntilAsync(async () =>
        {
            TunnelStatus now = await tunnel.StatusAsync();
            bool isNew = child is null
                ? now.IkeSa is { } ike && ike.InitiatorSpi != before.IkeSa!.InitiatorSpi
                : now.ChildSas.Any(c => c.Number == child.Number && c.InboundSpi != child.InboundSpi && c.Cpu == child.Cpu && c.IsFallback == child.IsFallback);
            return isNew ? null : "nothing was rekeyed";
        });

        await tunnel.AssertWellAsync();
        Assert.Equal(before.ChildSas.Count, (await tunnel.StatusAsync()).ChildSas.Count);
        await AssertOwnSasAsync(tunnel);
    }

    [PeerTheory]
    [CombinatorialEnds]
    public async Task A_deleted_sa_is_gone_at_both_ends_and_comes_back(End initiator, End by, WhichSa which)
    {
        await using PeerTunnel tunnel = await OpenAsync(PerCpu);
        await tunnel.ConnectAsync(initiator);
        await tunnel.PerCpuSasAsync();
        await tunnel.AssertWellAsync();

        TunnelStatus before = await tunnel.StatusAsync();
        ChildSaStatus? child = which switch
        {
            WhichSa.PerCpuChild => await tunnel.OurPerCpuSaAsync(),
            WhichSa.Fallback => await tunnel.OurFallbackAsync(),
            _ => null,
        };
        Task deleting = (by, child) switch
        {
            (End.Us, null) => tunnel.Gateway.CloseTunnelAsync(PeerTunnel.Name),
            (End.Us, _) => tunnel.Gateway.DeleteChildSaAsync(PeerTunnel.Name, child.Number),
            (_, null) => tunnel.Peer.DeleteIkeAsync(),
            _ => tunnel.Peer.DeleteChildAsync(await tunnel.AtPeerAsync(child)),
        };
        await deleting;
        if (child is null)
        {
            await PeerTunnel.UntilAsync(async () => (await tunnel.StatusAsync()).IkeSa?.InitiatorSpi == before.IkeSa!.InitiatorSpi ? "we still have the IKE SA" : null);
            if (by == End.Us || initiator == End.Peer)
                await tunnel.ConnectAsync(initiator);
        }
        else
        {
            TunnelStatus after = await tunnel.StatusAsync();
            Assert.DoesNotContain(after.ChildSas, c => c.InboundSpi == child.InboundSpi);
        }

        await tunnel.PerCpuSasAsync();
        await PeerTunnel.UntilAsync(async () => (await tunnel.StatusAsync()).ChildSas.Any(c => c.IsFallback) ? null : "the fallback did not come back");
        await tunnel.AssertWellAsync();
        await AssertOwnSasAsync(tunnel);
    }

    [PeerTheory]
    [InlineData(End.Us, false)]
    [InlineData(End.Us, true)]
    [InlineData(End.Peer, false)]
    [InlineData(End.Peer, true)]
    public async Task The_peer_reauthenticates(End initiator, bool makeBeforeBreak)
    {
        await Lab.Peer.SetMakeBeforeBreakAsync(makeBeforeBreak);
        await using PeerTunnel tunnel = await OpenAsync(PerCpu);
        await tunnel.ConnectAsync(initiator);
        await tunnel.PerCpuSasAsync();
        await tunnel.AssertWellAsync();
        ulong before = (await tunnel.StatusAsync()).IkeSa!.InitiatorSpi;

        await tunnel.Peer.ReauthenticateAsync();

        await PeerTunnel.UntilAsync(async () => (await tunnel.StatusAsync()).IkeSa is { } ike && ike.InitiatorSpi != before ? null : "the IKE SA is the one from before");
        await tunnel.PerCpuSasAsync();
        await tunnel.AssertWellAsync();
        await AssertOwnSasAsync(tunnel);
    }

    [PeerFact]
    public async Task A_peer_that_started_anew_and_initiates_replaces_what_we_had_with_it()
    {
        await using PeerTunnel tunnel = await OpenAsync(PerCpu);
        await tunnel.ConnectAsync(End.Peer);
        await tunnel.PerCpuSasAsync();
        HashSet<uint> before = [.. (await tunnel.StatusAsync()).ChildSas.Select(c => c.InboundSpi)];

        await tunnel.Peer.KillAsync();
        await tunnel.Peer.RestartAsync();
        await Lab.ConfigurePeerAsync(PerCpu);
        await tunnel.ConnectAsync(End.Peer);

        await PeerTunnel.UntilAsync(async () => (await tunnel.StatusAsync()).ChildSas.Any(c => before.Contains(c.InboundSpi)) ? "we have Child SAs that the peer knows nothing of" : null);
        await tunnel.PerCpuSasAsync();
        await tunnel.AssertWellAsync();
    }

    [PeerFact]
    public async Task A_peer_that_started_anew_and_waits_is_noticed_and_connected_again()
    {
        await using PeerTunnel tunnel = await OpenAsync(PerCpu, o => o with { LivenessInterval = TimeSpan.FromSeconds(1), RetransmitGiveUp = TimeSpan.FromSeconds(3) });
        await tunnel.ConnectAsync(End.Us);
        await tunnel.PerCpuSasAsync();
        ulong before = (await tunnel.StatusAsync()).IkeSa!.InitiatorSpi;

        await tunnel.Peer.KillAsync();
        await tunnel.Peer.RestartAsync();
        await Lab.ConfigurePeerAsync(PerCpu);

        await PeerTunnel.UntilAsync(async () => (await tunnel.StatusAsync()).IkeSa is { } ike && ike.InitiatorSpi != before && ike.ResponderSpi != 0 ? null : "we did not connect again");
        await tunnel.PerCpuSasAsync();
        await tunnel.AssertWellAsync();
    }

    [PeerTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task Wider_selectors_are_narrowed_to_what_both_have(End initiator)
    {
        await using PeerTunnel tunnel = await OpenAsync(
            new StrongSwanOptions { LocalSelector = "10.2.0.0/25" }, o => o with { LocalSelectors = ["10.1.0.0/16"], RemoteSelectors = ["10.2.0.0/16"] });
        await tunnel.ConnectAsync(initiator);

        await tunnel.AssertWellAsync();

        ChildSaStatus child = await tunnel.OurFallbackAsync();
        Assert.Equal(["10.1.0.0/24"], child.LocalSelectors.Select(s => s.ToString()));
        Assert.Equal(["10.2.0.0/25"], child.RemoteSelectors.Select(s => s.ToString()));
    }

    /// <summary>A tunnel that both ends are configured for. What the peer logged about it is shown where the test fails.</summary>
    private protected Task<PeerTunnel> OpenAsync(StrongSwanOptions theirs, Func<TunnelOptions, TunnelOptions>? ours = null) => Lab.OpenAsync(theirs, ours, _output.WriteLine);

    /// <summary>
    /// A round of pings from our side: each CPU's requests go through its own Child SA and none through the fallback, and what
    /// one end counts on an SA the other does. Where the peer sends by CPU too, so do the replies, which leave by the CPU that
    /// got the request.
    /// </summary>
    private protected async Task AssertOwnSasAsync(PeerTunnel tunnel)
    {
        const int Count = 10;
        Dictionary<uint, ChildSaStatus> ours = (await tunnel.StatusAsync()).ChildSas.ToDictionary(c => c.OutboundSpi);
        Dictionary<uint, PeerChildSa> theirs = (await tunnel.Peer.ListAsync()).SelectMany(s => s.Children).ToDictionary(c => c.InboundSpi);
        Assert.All(await Lab.PingAsync(Lab.OurClient, Lab.TheirClient.Address, Count), lost => Assert.Equal(0, lost.Value));

        // By SPI from us to the peer: what went out, and what of it came back.
        var sas = (await tunnel.StatusAsync()).ChildSas.Select(c => new
        {
            c.Cpu,
            Requests = c.PacketsOut - ours[c.OutboundSpi].PacketsOut,
            Replies = c.PacketsIn - ours[c.OutboundSpi].PacketsIn,
            AtPeer = theirs[c.OutboundSpi],
        }).ToList();
        Dictionary<uint, PeerChildSa> after = (await tunnel.Peer.ListAsync()).SelectMany(s => s.Children).ToDictionary(c => c.InboundSpi);
        Assert.All(sas, s => Assert.Equal(s.Requests, after[s.AtPeer.InboundSpi].PacketsIn - s.AtPeer.PacketsIn));
        Assert.All(sas, s => Assert.Equal(s.Replies, after[s.AtPeer.InboundSpi].PacketsOut - s.AtPeer.PacketsOut));
        Assert.All(Lab.Cpus, cpu => Assert.Equal(Count, sas.Where(s => s.Cpu == cpu).Sum(s => s.Requests)));
        Assert.Equal(0, Assert.Single(sas, s => s.Cpu is null).Requests);
        if (Lab.PeerPlane == StrongSwanPlane.Kernel)
            Assert.All(Lab.Cpus, cpu => Assert.Equal(Count, sas.Where(s => s.AtPeer.Cpu == cpu).Sum(s => s.Replies)));
    }
}
