using PcpuIpsec.Gateway;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>What only a strongSwan with a kernel under it does: acquires for each CPU, and source ports of their own.</summary>
public abstract class StrongSwanKernelScenarios(PeerFixture fixture, ITestOutputHelper output) : StrongSwanScenarios(fixture, output)
{
    [PeerTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task With_a_source_port_for_each_child_sa_the_traffic_of_each_cpu_goes_through_its_own(End initiator)
    {
        await using PeerTunnel tunnel = await OpenAsync(new StrongSwanOptions { PerCpuSas = "encap", Encapsulate = true }, o => o with { ForceEncapsulation = true });
        await tunnel.ConnectAsync(initiator);
        await tunnel.PerCpuSasAsync();
        await tunnel.AssertWellAsync();

        await AssertOwnSasAsync(tunnel);
    }

    [PeerTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task The_peers_acquires_cross_with_our_requests_and_both_come_to_rest(End initiator)
    {
        await using PeerTunnel tunnel = await OpenAsync(new StrongSwanOptions { PerCpuSas = "yes" });
        using var stop = new CancellationTokenSource();
        Task traffic = KeepSendingAsync(stop.Token);
        await tunnel.ConnectAsync(initiator);
        await tunnel.PerCpuSasAsync();
        await stop.CancelAsync();
        await traffic;

        await tunnel.AssertWellAsync();

        await AssertOwnSasAsync(tunnel);
        Assert.Contains(tunnel.PeerLog.Lines, l => l.Contains("creating acquire job", StringComparison.Ordinal));
        Assert.InRange((await tunnel.StatusAsync()).ChildSas.Count, Lab.Cpus.Count + 1, (2 * Lab.Cpus.Count) + 1);

        // From behind the peer, where each CPU's first packet asks for a Child SA.
        async Task KeepSendingAsync(CancellationToken cancellationToken)
        {
            while (!cancellationToken.IsCancellationRequested)
                await Lab.PingAsync(Lab.TheirClient, Lab.OurClient.Address, 5);
        }
    }

    [PeerTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task At_our_limit_the_peer_is_told_and_all_goes_on(End initiator)
    {
        // Ours is one of these two; the peer's acquires ask for its other CPUs.
        await using PeerTunnel tunnel = await OpenAsync(
            new StrongSwanOptions { PerCpuSas = "yes" }, o => o with { PerCpu = new PerCpuOptions { Cpus = [Lab.Cpus[0]], MaxChildSas = 2 } });
        await tunnel.ConnectAsync(initiator);

        await PeerTunnel.UntilAsync(async () =>
        {
            await Lab.PingAsync(Lab.TheirClient, Lab.OurClient.Address, 3);
            return tunnel.PeerLog.Contains("received TS_MAX_QUEUE notify") ? null : "the peer was not told that there are enough";
        });

        await tunnel.AgreeAsync();
        TunnelStatus status = await tunnel.StatusAsync();
        Assert.True(status.IkeSa!.PerResource);
        Assert.Equal(2, status.ChildSas.Count(c => !c.IsFallback));
        Assert.Empty(tunnel.PeerLog.Warnings);

        // Our traffic still has its way there. The peer's own, from CPUs that got none, is what its acquires make of it.
        IReadOnlyDictionary<int, int> lost = await Lab.PingAsync(Lab.OurClient, Lab.TheirClient.Address, 10);
        Assert.True(lost.Values.Any(l => l == 0), "Nothing passes any more.");
    }
}
