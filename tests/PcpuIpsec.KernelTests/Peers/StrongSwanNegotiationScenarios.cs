using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>What is agreed on, or is not: a matter of IKE alone, the same whatever carries the packets.</summary>
public abstract class StrongSwanNegotiationScenarios(PeerFixture fixture, ITestOutputHelper output) : StrongSwanScenarios(fixture, output)
{
    [PeerFact]
    public async Task A_wrong_key_is_told_to_us_where_we_initiate()
    {
        await using PeerTunnel tunnel = await OpenAsync(new StrongSwanOptions { Key = "a key that is another one" });

        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => tunnel.ConnectAsync(End.Us));

        Assert.Equal(PcpuIpsecError.AuthenticationFailed, e.Error);
        await AssertNothingAsync(tunnel);
    }

    [PeerFact]
    public async Task A_wrong_key_is_told_to_the_peer_where_it_initiates()
    {
        await using PeerTunnel tunnel = await OpenAsync(new StrongSwanOptions { Key = "a key that is another one" });

        Assert.True(await tunnel.Peer.FailsToInitiateAsync());

        Assert.True(tunnel.PeerLog.Contains("received AUTHENTICATION_FAILED notify"));
        await AssertNothingAsync(tunnel);
    }

    [PeerTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task Suites_that_have_nothing_in_common_for_IKE_are_told(End initiator)
    {
        await using PeerTunnel tunnel = await OpenAsync(
            new StrongSwanOptions { IkeProposal = "aes256-sha384-modp4096" }, o => o with { IkeSuites = ["aes128gcm16-sha256-x25519"] });

        if (initiator == End.Us)
            Assert.Equal(PcpuIpsecError.NoProposalChosen, (await Assert.ThrowsAsync<PcpuIpsecException>(() => tunnel.ConnectAsync(End.Us))).Error);
        else
            Assert.True(await tunnel.Peer.FailsToInitiateAsync());

        Assert.True(tunnel.PeerLog.Contains(initiator == End.Us ? "received proposals unacceptable" : "received NO_PROPOSAL_CHOSEN notify"));
        await AssertNothingAsync(tunnel);
    }

    [PeerTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task Another_group_than_the_one_tried_first_is_asked_for_and_taken(End initiator)
    {
        // Each end's first choice is the other's second: the first IKE_SA_INIT gets INVALID_KE_PAYLOAD.
        await using PeerTunnel tunnel = await OpenAsync(
            new StrongSwanOptions { IkeProposal = initiator == End.Us ? "aes256-sha256-ecp384" : "aes256-sha256-x25519-ecp384" },
            o => o with { IkeSuites = initiator == End.Us ? ["aes256-sha256-x25519", "aes256-sha256-ecp384"] : ["aes256-sha256-ecp384"] });
        await tunnel.ConnectAsync(initiator);

        await tunnel.AssertWellAsync(complaints: "INVALID_KE_PAYLOAD");

        Assert.True(tunnel.PeerLog.Contains("N(INVAL_KE)"));
    }

    [PeerTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task Selectors_that_have_nothing_in_common_are_told(End initiator)
    {
        await using PeerTunnel tunnel = await OpenAsync(new StrongSwanOptions { LocalSelector = "10.99.0.0/24" });

        if (initiator == End.Us)
            Assert.Equal(PcpuIpsecError.TrafficSelectorsUnacceptable, (await Assert.ThrowsAsync<PcpuIpsecException>(() => tunnel.ConnectAsync(End.Us))).Error);
        else
            Assert.True(await tunnel.Peer.FailsToInitiateAsync());

        Assert.True(tunnel.PeerLog.Contains("TS_UNACCEPT"));
        Assert.Empty((await tunnel.StatusAsync()).ChildSas);
        Assert.Empty(tunnel.PeerLog.Warnings);
    }

    private static async Task AssertNothingAsync(PeerTunnel tunnel)
    {
        Assert.Empty((await tunnel.StatusAsync()).ChildSas);
        await PeerTunnel.UntilAsync(async () => (await tunnel.Peer.ListAsync()).Count == 0 ? null : "the peer has an IKE SA");
        Assert.Empty(tunnel.PeerLog.Warnings);
    }
}
