using PcpuIpsec.Resources;

namespace PcpuIpsec.Tests.Resources;

/// <summary>The Child SA that serves every CPU, and those of which there are two.</summary>
public class FallbackAndDuplicateTests
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _hour = TimeSpan.FromHours(1);

    [Fact]
    public void Fallback_that_went_away_comes_back_before_anything_else_is_asked_for()
    {
        GroupUnderTest group = new(2);
        group.Start(weInitiated: true);
        int number = group.Grant(GroupUnderTest.CreateFor(0, 1))[0];
        Assert.Empty(group.Down(1, byPeer: true));
        Assert.Empty(group.Down(number, byPeer: true));
        Assert.Equal([new CreateFallback()], group.Wait(2 * _second));
        Assert.Empty(group.Wait(_minute));
        Assert.Equal(GroupUnderTest.CreateFor(0), group.Up(null, ours: true, fallback: true));
    }

    [Fact]
    public void Fallback_is_missed_by_both_ends_and_asked_for_by_the_initiator_first()
    {
        GroupUnderTest initiator = new(1);
        GroupUnderTest responder = new(1, seed: 2);
        foreach (GroupUnderTest group in (GroupUnderTest[])[initiator, responder])
        {
            group.Start(weInitiated: group == initiator);
            group.Down(1, byPeer: group == responder);
        }

        Assert.True(initiator.Group.NextDeadline * 3 < responder.Group.NextDeadline);
        Assert.Contains(new CreateFallback(), responder.Wait(_minute));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Fallback_that_IKE_AUTH_brought_is_not_asked_for_again_while_it_is_being_installed(bool weInitiated)
    {
        GroupUnderTest group = new(2);
        group.Group.IkeSaUp(weInitiated, perResource: true, GroupUnderTest.SetupTime, group.Now);
        Assert.Empty(group.Acquire(null));
        Assert.Empty(group.Wait(20 * _second));
        Assert.Empty(group.Acquire(null));
        group.Up(null, ours: weInitiated, fallback: true);
        Assert.DoesNotContain(new CreateFallback(), group.Wait(_hour));
    }

    [Fact]
    public void Fallback_that_IKE_AUTH_failed_to_bring_is_asked_for_soon_by_the_initiator_first()
    {
        GroupUnderTest initiator = new(2), responder = new(2);
        foreach ((GroupUnderTest group, bool weInitiated) in new[] { (initiator, true), (responder, false) })
        {
            group.Group.IkeSaUp(weInitiated, perResource: true, GroupUnderTest.SetupTime, group.Now);
            Assert.Empty(group.Fail(null, CreateFailure.Other));
        }
        Assert.Equal([new CreateFallback()], initiator.Wait(4 * _second));
        Assert.Empty(responder.Wait(14 * _second));
        Assert.Equal([new CreateFallback()], responder.Wait(2 * _second));
    }

    [Fact]
    public void Fallback_that_cannot_be_created_is_tried_again_at_most_once_a_minute_in_the_end()
    {
        GroupUnderTest group = new(2);
        group.Group.IkeSaUp(weInitiated: true, perResource: true, GroupUnderTest.SetupTime, group.Now);
        int requests = 0;
        for (TimeSpan end = group.Now + _hour; group.Now < end; requests++)
        {
            Assert.Equal([new CreateFallback()], group.WaitForDeadline());
            group.Fail(null, CreateFailure.Other);
        }

        Assert.InRange(requests, 35, 70);
    }

    [Fact]
    public void Crossed_duplicates_are_deleted_by_the_responder_after_the_peers_took_over()
    {
        GroupUnderTest group = new(2, limit: 8);
        group.Start(weInitiated: false);
        Assert.Equal(GroupUnderTest.CreateFor(0, 1), group.Wait(8 * _second));
        int first = group.PeerCreates().Number;
        int second = group.PeerCreates().Number;
        List<int> ours = group.Grant(GroupUnderTest.CreateFor(0, 1));
        Assert.Empty(group.Wait(9 * _second));
        Assert.Equal([new BindOutbound(first, 0), new DeleteChild(ours[0]), new BindOutbound(second, 1), new DeleteChild(ours[1])], group.Wait(2 * _second));
        Assert.Empty(group.Down(ours[0], byPeer: false));
        Assert.Empty(group.Down(ours[1], byPeer: false));
        Assert.Empty(group.Wait(_hour));
    }

    [Fact]
    public void Initiator_deletes_no_duplicates_and_neither_does_a_responder_that_did_not_cross()
    {
        GroupUnderTest initiator = new(2, limit: 8);
        initiator.Start(weInitiated: true);
        initiator.PeerCreates();
        initiator.PeerCreates();
        initiator.Grant(GroupUnderTest.CreateFor(0, 1));
        Assert.Empty(initiator.Wait(_hour));

        GroupUnderTest responder = new(2, limit: 8);
        responder.Start(weInitiated: false);
        responder.Grant(responder.Wait(2 * _second));
        responder.Wait(_second);
        responder.PeerCreates();
        responder.PeerCreates();
        Assert.Empty(responder.Wait(_hour));
    }

    [Fact]
    public void Of_two_fallbacks_the_responder_deletes_its_own()
    {
        GroupUnderTest group = new(1);
        group.Start(weInitiated: false);
        group.PeerCreates();
        Assert.Empty(group.Up(9, null, ours: true, fallback: true));
        Assert.Equal([new DeleteChild(9)], group.Wait(11 * _second));
        Assert.Empty(group.Down(9, byPeer: false));
        Assert.Empty(group.Wait(_hour));
    }

    [Fact]
    public void Duplicates_of_a_peer_that_creates_on_both_sides_acquires_are_tolerated()
    {
        // strongSwan with traps at both ends: four CPUs gave six Child SAs.
        GroupUnderTest group = new(4);
        group.Start(weInitiated: true);
        group.Grant(GroupUnderTest.CreateFor(0, 1, 2, 3));
        (Placement placement, int number) = group.PeerCreates();
        Assert.Equal(new Placement(false, null, 0), placement);
        Assert.Equal(new Placement(false, null, 1), group.PeerCreates().Placement);
        Assert.Empty(group.Wait(_hour));

        // And the inbound halves that were kept serve at once where a CPU loses its own.
        Assert.Equal([new BindOutbound(number, 2)], group.Down(4, byPeer: true));
    }
}
