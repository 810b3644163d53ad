using PcpuIpsec.Ike;
using PcpuIpsec.Resources;

namespace PcpuIpsec.Tests.Resources;

public class ChildSaGroupTests
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _hour = TimeSpan.FromHours(1);

    [Fact]
    public void Initiator_creates_for_all_its_CPUs_at_once_when_the_fallback_is_up()
    {
        GroupUnderTest group = new(4);
        group.Group.IkeSaUp(weInitiated: true, perResource: true, GroupUnderTest.SetupTime, group.Now);
        Assert.Empty(group.Take());
        Assert.Equal(GroupUnderTest.CreateFor(0, 1, 2, 3), group.Up(null, ours: true, fallback: true));
        group.Grant(GroupUnderTest.CreateFor(0, 1, 2, 3));
        Assert.Null(group.Group.NextDeadline);
    }

    [Fact]
    public void Responder_adds_only_what_the_initiator_left_missing_after_a_hold_off()
    {
        GroupUnderTest group = new(4);
        Assert.Empty(group.Start(weInitiated: false));
        Assert.Equal(new Placement(false, 0, 0), group.PeerCreates().Placement);
        Assert.Equal(new Placement(false, 1, 1), group.PeerCreates().Placement);
        Assert.Empty(group.Wait(_second * 4.9));
        Assert.Equal(GroupUnderTest.CreateFor(2, 3), group.Wait(_second * 2.7));
    }

    /// <summary>Ten times the set-up, between 1 and 5 seconds, and up to half as long again.</summary>
    [Theory]
    [InlineData(0.01, 1)]
    [InlineData(0.3, 3)]
    [InlineData(60, 5)]
    public void The_hold_off_is_as_long_as_the_IKE_SA_s_set_up_was_slow(double setUp, double holdOff)
    {
        GroupUnderTest group = new(2);
        Assert.Empty(group.Start(weInitiated: false, perResource: true, _second * setUp));
        Assert.Empty(group.Wait(_second * (holdOff - 0.01)));
        Assert.Equal(GroupUnderTest.CreateFor(0, 1), group.Wait(_second * ((holdOff / 2) + 0.02)));
    }

    [Fact]
    public void Every_Child_SA_that_comes_prolongs_the_hold_off()
    {
        GroupUnderTest group = new(4);
        group.Start(weInitiated: false);
        for (int i = 0; i < 3; i++)
        {
            Assert.Empty(group.Wait(_second * 4.9));
            group.PeerCreates();
        }

        Assert.Equal(GroupUnderTest.CreateFor(3), group.Wait(_second * 8));
    }

    [Fact]
    public void Peer_without_RFC_9611_gets_one_ordinary_SA_and_no_more()
    {
        foreach (bool weInitiated in (bool[])[true, false])
        {
            GroupUnderTest group = new(4);
            Assert.Empty(group.Start(weInitiated, perResource: false));
            Assert.Empty(group.Acquire(1));
            Assert.Empty(group.Cpu(1, online: false));
            Assert.Empty(group.Cpu(1, online: true));
            Assert.Empty(group.Wait(_hour));
            Assert.True(group.Group.Place(group.Now).Refused);
            Assert.Empty(group.Down(1, byPeer: true));
            Assert.Equal([new CreateFallback()], group.Wait(_minute));
            Assert.Empty(group.Up(null, ours: true, fallback: true));
            Assert.Empty(group.Wait(_hour));
        }
    }

    [Fact]
    public void Peer_is_placed_on_the_CPU_with_the_fewest_and_a_surplus_one_has_no_outbound_CPU()
    {
        GroupUnderTest group = new(2, limit: 8);
        group.Start(weInitiated: false);
        Placement[] placements = [.. Enumerable.Range(0, 5).Select(_ => group.PeerCreates().Placement)];
        Assert.Equal([new(false, 0, 0), new(false, 1, 1), new(false, null, 0), new(false, null, 1), new(false, null, 0)], placements);
        Assert.Empty(group.Wait(_hour));
    }

    [Fact]
    public void Places_reserved_count_before_their_Child_SAs_are_up()
    {
        GroupUnderTest group = new(3, limit: 4);
        group.Start(weInitiated: false);
        Assert.Equal([0, 1, 2, (int?)null], Enumerable.Range(0, 4).Select(_ => group.Group.Place(group.Now).Cpu));
        Assert.Equal(new Placement(Refused: true, null), group.Group.Place(group.Now));
        group.Group.PlacementFailed(new Placement(false, 1, 1), group.Now);
        Assert.Equal(new Placement(false, 1, 1), group.Group.Place(group.Now));
    }

    [Fact]
    public void Responder_at_its_limit_refuses_and_takes_again_when_one_went_away()
    {
        GroupUnderTest group = new(2);
        group.Start(weInitiated: false);
        int[] numbers = [.. Enumerable.Range(0, 4).Select(_ => group.PeerCreates().Number)];
        Assert.Equal(new Placement(Refused: true, null), group.Group.Place(group.Now));
        group.Down(numbers[3], byPeer: true);
        Assert.False(group.Group.Place(group.Now).Refused);
        Assert.True(group.Group.Place(group.Now).Refused);
    }

    [Fact]
    public void Limit_is_refused_as_temporary_where_only_our_own_requests_under_way_fill_it()
    {
        GroupUnderTest group = new(2, limit: 2);
        Assert.Equal(2, group.Start(weInitiated: true).Count);
        Assert.Equal(new Placement(Refused: true, null, Temporary: true), group.Group.Place(group.Now));
        group.Grant(GroupUnderTest.CreateFor(0, 1));
        Assert.Equal(new Placement(Refused: true, null), group.Group.Place(group.Now));
    }

    [Fact]
    public void Our_own_requests_stay_within_our_limit()
    {
        GroupUnderTest group = new(4, limit: 3);
        Assert.Equal(GroupUnderTest.CreateFor(0, 1, 2), group.Start(weInitiated: true));
        List<int> numbers = group.Grant(GroupUnderTest.CreateFor(0, 1, 2));
        Assert.Empty(group.Wait(_hour));
        Assert.Equal(GroupUnderTest.CreateFor(3), group.Down(numbers[0], byPeer: true));
    }

    [Theory]
    [InlineData(CreateFailure.TsMaxQueue)]
    [InlineData(CreateFailure.NoAdditionalSas)]
    internal void Peer_at_its_limit_is_left_alone_for_minutes(CreateFailure reason)
    {
        GroupUnderTest group = new(4);
        group.Start(weInitiated: true);
        group.Grant(GroupUnderTest.CreateFor(0, 1));
        Assert.Empty(group.Fail(2, reason));
        Assert.Empty(group.Fail(3, reason));
        Assert.Empty(group.Wait(14 * _minute));

        // One probe, and twice the time after it failed too.
        Assert.Equal(GroupUnderTest.CreateFor(2), group.WaitForDeadline());
        Assert.Empty(group.Fail(2, reason));
        Assert.Empty(group.Wait(29 * _minute));
        Assert.Equal(GroupUnderTest.CreateFor(2), group.WaitForDeadline());
        Assert.Equal(GroupUnderTest.CreateFor(3), group.Up(2, ours: true));
    }

    [Fact]
    public void Peer_at_its_limit_is_asked_again_one_by_one_when_a_Child_SA_went_away()
    {
        GroupUnderTest group = new(4);
        group.Start(weInitiated: true);
        List<int> numbers = group.Grant(GroupUnderTest.CreateFor(0, 1));
        group.Fail(2, CreateFailure.TsMaxQueue);
        group.Fail(3, CreateFailure.TsMaxQueue);
        Assert.Equal(GroupUnderTest.CreateFor(2), group.Down(numbers[0], byPeer: true));
        Assert.Empty(group.Fail(2, CreateFailure.TsMaxQueue));
        Assert.Empty(group.Wait(14 * _minute));
    }

    [Fact]
    public void Temporary_failure_is_tried_again_soon_and_ever_less_often()
    {
        GroupUnderTest group = new(1);
        group.Start(weInitiated: true);
        TimeSpan before = TimeSpan.Zero;
        for (int i = 0; i < 12; i++)
        {
            group.Fail(0, CreateFailure.Temporary);
            TimeSpan wait = group.Group.NextDeadline!.Value - group.Now;
            Assert.InRange(wait, TimeSpan.FromMilliseconds(500), 45 * _second);
            Assert.True(wait > before || wait >= 30 * _second);
            before = wait;
            Assert.Equal(GroupUnderTest.CreateFor(0), group.Wait(wait));
        }
    }

    [Fact]
    public void Other_failures_of_one_CPU_back_off_and_leave_the_others_alone()
    {
        GroupUnderTest group = new(2);
        group.Start(weInitiated: true);
        group.Grant(GroupUnderTest.CreateFor(1));
        int requests = 0;
        for (TimeSpan end = group.Now + (10 * _hour); group.Now < end;)
        {
            group.Fail(0, CreateFailure.Other);
            List<GroupAction> actions = group.WaitForDeadline();
            Assert.Equal(GroupUnderTest.CreateFor(0), actions);
            requests++;
        }

        Assert.InRange(requests, 40, 80);
    }

    [Fact]
    public void Request_that_nobody_answers_does_not_block_its_CPU_for_ever()
    {
        GroupUnderTest group = new(1);
        group.Start(weInitiated: true);
        Assert.Empty(group.Wait(4.9 * _minute));
        Assert.Equal(GroupUnderTest.CreateFor(0), group.Wait(_minute));
    }

    [Fact]
    public void Surplus_one_is_bound_before_a_new_one_is_asked_for()
    {
        GroupUnderTest group = new(2, onDemand: true);
        group.Start(weInitiated: false);
        Assert.Empty(group.Cpu(1, online: false));
        Assert.Equal(0, group.PeerCreates().Placement.Cpu);
        (Placement placement, int surplus) = group.PeerCreates();
        Assert.Equal(new Placement(false, null, 0), placement);
        Assert.Equal([new BindOutbound(surplus, 1)], group.Cpu(1, online: true));
        Assert.Empty(group.Acquire(1));
    }

    [Fact]
    public void CPU_that_goes_offline_keeps_its_Child_SA_as_surplus_and_gets_it_back_with_new_keys()
    {
        GroupUnderTest group = new(2);
        group.Start(weInitiated: true);
        List<int> numbers = group.Grant(GroupUnderTest.CreateFor(0, 1));
        Assert.Equal([new UnbindOutbound(numbers[1])], group.Cpu(1, online: false));
        Assert.Empty(group.Wait(_hour));
        Assert.Equal([new MoveChild(numbers[1], 1)], group.Cpu(1, online: true));
        Assert.Empty(group.Rekeyed(numbers[1], 1, ours: true));
        Assert.Empty(group.Wait(_hour));
    }

    [Fact]
    public void Outbound_half_that_was_in_use_is_bound_again_without_a_move_once_the_peer_rekeyed_it()
    {
        GroupUnderTest group = new(2);
        group.Start(weInitiated: true);
        List<int> numbers = group.Grant(GroupUnderTest.CreateFor(0, 1));
        group.Cpu(1, online: false);
        Assert.Empty(group.Rekeyed(numbers[1], null, ours: true));
        Assert.Equal([new BindOutbound(numbers[1], 1)], group.Cpu(1, online: true));
    }

    [Fact]
    public void Move_that_failed_is_tried_again_and_a_move_whose_Child_SA_went_away_becomes_a_request()
    {
        GroupUnderTest group = new(1);
        group.Start(weInitiated: true);
        int number = group.Grant(GroupUnderTest.CreateFor(0))[0];
        group.Cpu(0, online: false);
        Assert.Single(group.Cpu(0, online: true));
        Assert.Empty(group.Fail(0, CreateFailure.Temporary));
        Assert.Equal([new MoveChild(number, 0)], group.Wait(_second));
        Assert.Empty(group.Down(number, byPeer: true));
        Assert.Equal(GroupUnderTest.CreateFor(0), group.Wait(10 * _second));
    }

    [Fact]
    public void Child_SA_that_comes_up_for_a_CPU_that_went_offline_is_unbound()
    {
        GroupUnderTest group = new(2);
        group.Start(weInitiated: true);
        Assert.Empty(group.Cpu(1, online: false));
        Assert.Equal([new UnbindOutbound(5)], group.Up(5, 1, ours: true));
    }

    [Fact]
    public void Child_SA_moved_by_its_owner_takes_the_place_of_the_one_that_was_there()
    {
        GroupUnderTest group = new(2);
        group.Start(weInitiated: true);
        List<int> numbers = group.Grant(GroupUnderTest.CreateFor(0, 1));
        Assert.Equal([new UnbindOutbound(numbers[1]), new MoveChild(numbers[1], 0)], group.Rekeyed(numbers[0], 1, ours: true));
    }

    [Fact]
    public void CPU_that_flaps_costs_ever_fewer_exchanges()
    {
        GroupUnderTest group = new(4);
        group.Start(weInitiated: true);
        group.Grant(GroupUnderTest.CreateFor(0, 1, 2, 3));
        int exchanges = 0;
        for (int flap = 0; flap < 600; flap++)
        {
            group.Cpu(2, online: false);
            Answer(group.Wait(_second / 10));
            Answer(group.Cpu(2, online: true));
            Answer(group.Wait(_second / 10));
        }

        Assert.InRange(exchanges, 1, 10);
        Answer(group.Wait(5 * _minute));
        Assert.Empty(group.Acquire(2));

        void Answer(List<GroupAction> actions)
        {
            foreach (MoveChild move in actions.OfType<MoveChild>())
            {
                exchanges++;
                group.Rekeyed(move.Number, move.Cpu, ours: true);
            }

            Assert.Empty(actions.OfType<CreateForCpu>());
        }
    }

    [Fact]
    public void Per_CPU_Child_SA_that_the_peer_deletes_comes_back_but_in_no_loop()
    {
        GroupUnderTest group = new(1);
        group.Start(weInitiated: true);
        int number = group.Grant(GroupUnderTest.CreateFor(0))[0];
        int requests = 0;
        for (TimeSpan end = group.Now + (2 * _hour); group.Now < end; requests++)
        {
            Assert.Empty(group.Down(number, byPeer: true));
            TimeSpan wait = group.Group.NextDeadline!.Value - group.Now;
            Assert.True(wait >= 5 * _second);
            number = group.Grant(group.Wait(wait))[0];
        }

        Assert.InRange(requests, 5, 14);
    }

    [Fact]
    public void IKE_SA_that_goes_down_takes_everything_along_and_the_next_one_starts_anew()
    {
        GroupUnderTest group = new(2);
        group.Start(weInitiated: true);
        group.Fail(0, CreateFailure.TsMaxQueue);
        group.PeerCreates();
        group.Group.Place(group.Now);
        group.Group.IkeSaDown(group.Now);
        Assert.Null(group.Group.NextDeadline);
        Assert.Empty(group.Acquire(0));
        Assert.Empty(group.Wait(_hour));
        group.Group.IkeSaUp(weInitiated: true, perResource: true, GroupUnderTest.SetupTime, group.Now);
        Assert.Empty(group.Take());
        Assert.Equal(GroupUnderTest.CreateFor(0, 1), group.Up(null, ours: true, fallback: true));
        Assert.Equal([true, true], Enumerable.Range(0, 2).Select(_ => !group.Group.Place(group.Now).Refused));
    }

    [Fact]
    public void Resource_identifiers_are_stable_unique_and_say_nothing_about_the_CPU()
    {
        GroupUnderTest one = new(128);
        GroupUnderTest other = new(128, seed: 2);
        byte[][] identifiers = [.. Enumerable.Range(0, 128).Select(c => one.Group.ResourceIdentifier(c))];
        Assert.All(identifiers, i => Assert.InRange(i.Length, 4, 8));
        Assert.Equal(128, identifiers.Select(Convert.ToHexString).Distinct().Count());
        Assert.Equal(identifiers, Enumerable.Range(0, 128).Select(c => one.Group.ResourceIdentifier(c)));
        Assert.All(Enumerable.Range(0, 128), c => Assert.NotEqual(identifiers[c], other.Group.ResourceIdentifier(c)));
        Assert.All(Enumerable.Range(0, 128), c => Assert.NotEqual(c, identifiers[c][^1] | (identifiers[c][^2] << 8)));
        Assert.Empty(one.Group.ResourceIdentifier(null));
    }

    [Fact]
    public void Resource_identifiers_are_unique_even_where_chance_repeats_itself()
    {
        ResourceIdentifiers identifiers = new(new Constant());
        Assert.Equal(16, Enumerable.Range(0, 16).Select(c => Convert.ToHexString(identifiers.For(c))).Distinct().Count());
    }

    [Fact]
    public void Options_out_of_range_are_refused_with_field_and_value()
    {
        Assert.Contains("Cpus: -1", Assert.Throws<PcpuIpsecException>(() => new GroupOptions([0, -1])).Message);
        Assert.Contains("Cpus: 3 is listed twice", Assert.Throws<PcpuIpsecException>(() => new GroupOptions([3, 1, 3])).Message);
        Assert.Contains("MaxChildSas: -2", Assert.Throws<PcpuIpsecException>(() => new GroupOptions([0], -2)).Message);
        Assert.Equal(8, new GroupOptions([0, 1, 2, 5]).Limit);
    }

    private sealed class Constant : IRandomSource
    {
        public void Fill(Span<byte> destination) => destination.Fill(0xff);
    }
}
