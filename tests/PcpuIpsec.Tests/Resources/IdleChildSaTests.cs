using PcpuIpsec.Resources;

namespace PcpuIpsec.Tests.Resources;

/// <summary>Child SAs that nobody uses, and when the data plane may raise acquires.</summary>
public class IdleChildSaTests
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _hour = TimeSpan.FromHours(1);
    private const int Fallback = 1;

    [Fact]
    public void Child_SA_that_neither_end_uses_is_deleted_and_one_that_either_uses_stays()
    {
        (GroupUnderTest group, List<int> numbers) = Up(4);
        List<GroupAction> actions = [];
        TimeSpan up = group.Now;
        while (group.Now - up < _minute + (20 * _second))
            actions.AddRange(group.Use((numbers[0], 1, 0), (numbers[1], 0, 1)));
        Assert.Equal([new DeleteChild(numbers[2], Idle: true), new DeleteChild(numbers[3], Idle: true)], actions);
    }

    [Fact]
    public void Without_the_option_nobody_asks_who_uses_what()
    {
        GroupUnderTest group = new(4);
        group.Start(weInitiated: true);
        group.Grant(GroupUnderTest.CreateFor(0, 1, 2, 3));
        Assert.Null(group.Group.NextDeadline);
    }

    [Fact]
    public void Looking_costs_little_and_nothing_once_there_is_nothing_to_look_for()
    {
        GroupUnderTest group = new(2, onDemand: true, idleTime: _minute);
        group.Start(weInitiated: true);
        Assert.Empty(group.Wait(_hour));
        group.Acquire(0);
        group.Up(7, 0, ours: true);
        TimeSpan before = group.Now;
        group.Use((7, 1, 0));
        group.Use((7, 1, 0));
        Assert.Equal(2 * GroupTimes.UsageMost, group.Now - before);
    }

    [Fact]
    public void New_keys_are_no_use()
    {
        (GroupUnderTest group, List<int> numbers) = Up(1);
        List<GroupAction> actions = group.Use((numbers[0], 100, 100));
        TimeSpan used = group.Now;
        Assert.Empty(group.Rekeyed(numbers[0], 0, ours: true));
        group.Forget(numbers[0]);
        while (actions.Count == 0)
            actions = group.Use();
        Assert.Equal([new DeleteChild(numbers[0], Idle: true)], actions);
        Assert.InRange(group.Now - used, _minute, _minute + GroupTimes.UsageMost);
    }

    [Fact]
    public void An_idle_one_stays_away_until_the_fallback_carries_packets()
    {
        (GroupUnderTest group, _) = AllIdle(4);
        for (int i = 0; i < 100; i++)
            Assert.Empty(group.Use());
        Assert.NotEmpty(group.Use((Fallback, 1, 0)));
    }

    [Fact]
    public void Received_packets_of_the_fallback_bring_nothing_back()
    {
        (GroupUnderTest group, _) = AllIdle(4);
        Assert.Empty(group.Use((Fallback, 0, 50)));
    }

    [Fact]
    public void The_CPU_that_sent_last_comes_back_first_and_then_twice_as_many_each_time_that_it_did_not_help()
    {
        GroupUnderTest group = new(8, idleTime: _minute);
        group.Start(weInitiated: true);
        List<int> numbers = group.Grant(GroupUnderTest.CreateFor(0, 1, 2, 3, 4, 5, 6, 7));
        group.Use([.. numbers.Select(n => (n, 1L, 0L))]);
        group.Use((numbers[5], 1, 0));
        LetIdle(group, numbers);
        Assert.Equal(GroupUnderTest.CreateFor(5), group.Use((Fallback, 10, 0)));
        group.Up(5, ours: true);
        Assert.Equal(GroupUnderTest.CreateFor(0, 1), group.Use((Fallback, 10, 0)));
        group.Up(0, ours: true);
        group.Up(1, ours: true);
        Assert.Equal(GroupUnderTest.CreateFor(2, 3, 4, 6), group.Use((Fallback, 10, 0)));
        Assert.Empty(group.Use());
        // That was it: the next time one begins again.
        Assert.Equal(GroupUnderTest.CreateFor(7), group.Use((Fallback, 1, 0)));
    }

    [Fact]
    public void One_that_comes_back_in_vain_waits_ever_longer()
    {
        (GroupUnderTest group, _) = AllIdle(1);
        TimeSpan from = group.Now;
        int requests = 0;
        while (group.Now < from + (24 * _hour))
        {
            if (group.Use((Fallback, 1, 0)) is not [CreateForCpu])
                continue;
            requests++;
            int number = 100 + requests;
            group.Up(number, 0, ours: true);
            LetIdle(group, [number]);
        }

        Assert.InRange(requests, 40, 70);
    }

    [Fact]
    public void What_the_peer_deletes_after_it_was_idle_here_too_does_not_come_back_by_itself()
    {
        (GroupUnderTest group, List<int> numbers) = Up(2);
        group.Use((numbers[0], 1, 1), (numbers[1], 1, 1));
        group.Use((numbers[1], 1, 1));
        group.Use((numbers[1], 1, 1));
        group.Use((numbers[1], 1, 1));
        Assert.Empty(group.Down(numbers[0], byPeer: true));
        for (int i = 0; i < 20; i++)
            Assert.Empty(group.Use((numbers[1], 1, 1)));

        // One in use is a loss, and comes back as ever.
        Assert.Empty(group.Down(numbers[1], byPeer: true));
        Assert.Contains(new CreateForCpu(1), group.Wait(10 * _second));
    }

    [Fact]
    public void On_demand_an_idle_one_comes_back_at_the_next_packet()
    {
        GroupUnderTest group = new(2, onDemand: true, idleTime: _minute);
        group.Start(weInitiated: true);
        for (int number = 7; number < 12; number++)
        {
            Assert.Equal(GroupUnderTest.CreateFor(0), group.Acquire(0));
            group.Up(number, 0, ours: true);
            LetIdle(group, [number]);
            Assert.Empty(group.Wait(_hour));
            Assert.True(group.Group.AcquiresAllowed);
        }
    }

    [Fact]
    public void Acquires_are_allowed_on_demand_alone_and_once_the_fallback_is_up()
    {
        GroupUnderTest group = new(2, onDemand: true);
        Assert.False(group.Group.AcquiresAllowed);
        group.Group.IkeSaUp(weInitiated: true, perResource: true, GroupUnderTest.SetupTime, group.Now);
        Assert.False(group.Group.AcquiresAllowed);
        group.Up(null, ours: true, fallback: true);
        Assert.True(group.Group.AcquiresAllowed);
        group.Group.IkeSaDown(group.Now);
        Assert.False(group.Group.AcquiresAllowed);

        GroupUnderTest proactive = new(2);
        proactive.Start(weInitiated: true);
        Assert.False(proactive.Group.AcquiresAllowed);
        GroupUnderTest without = new(2, onDemand: true);
        without.Start(weInitiated: true, perResource: false);
        Assert.False(without.Group.AcquiresAllowed);
    }

    [Fact]
    public void No_acquire_is_allowed_while_one_is_being_answered()
    {
        GroupUnderTest group = new(2, onDemand: true);
        group.Start(weInitiated: true);
        group.Acquire(0);
        Assert.False(group.Group.AcquiresAllowed);
        group.Up(0, ours: true);
        Assert.True(group.Group.AcquiresAllowed);
        Placement placement = group.Group.Place(group.Now);
        Assert.False(group.Group.AcquiresAllowed);
        group.Group.PlacementFailed(placement, group.Now);
        Assert.True(group.Group.AcquiresAllowed);
    }

    [Fact]
    public void No_acquire_is_allowed_that_would_have_to_wait_for_a_back_off_or_the_peers_limit_or_ours()
    {
        GroupUnderTest group = new(3, limit: 2, onDemand: true);
        group.Start(weInitiated: true);
        group.Acquire(0);
        group.Fail(0, CreateFailure.Other);
        Assert.False(group.Group.AcquiresAllowed);
        group.Wait(4 * _second);
        Assert.True(group.Group.AcquiresAllowed);
        group.Acquire(0);
        group.Fail(0, CreateFailure.TsMaxQueue);
        group.Wait(14 * _minute);
        Assert.False(group.Group.AcquiresAllowed);
        group.Wait(10 * _minute);
        Assert.True(group.Group.AcquiresAllowed);
        group.Up(0, ours: false);
        group.Up(8, 1, ours: false);
        Assert.False(group.Group.AcquiresAllowed);
        group.Down(8, byPeer: true);
        Assert.True(group.Group.AcquiresAllowed);
    }

    [Fact]
    public void A_CPU_that_gets_none_of_its_own_is_let_ask_ever_less_often()
    {
        GroupUnderTest group = new(2, onDemand: true);
        group.Start(weInitiated: true);
        int asked = 0;
        TimeSpan from = group.Now;
        while (group.Now - from < _hour)
        {
            if (group.Group.AcquiresAllowed)
            {
                asked++;
                Assert.Empty(group.Acquire(9));
                Assert.False(group.Group.AcquiresAllowed);
            }

            group.Wait(_second);
        }

        Assert.InRange(asked, 8, 20);
    }

    [Fact]
    public void A_packet_for_which_there_is_no_SA_at_all_has_the_fallback_made_at_once_but_not_without_end()
    {
        GroupUnderTest group = new(1, onDemand: true);
        group.Start(weInitiated: false);
        Assert.Empty(group.Down(1, byPeer: true));
        Assert.Equal([new CreateFallback()], group.Acquire(null));
        Assert.Empty(group.Acquire(null));
        group.Fail(null, CreateFailure.Other);
        Assert.Empty(group.Acquire(null));
    }

    private static (GroupUnderTest Group, List<int> Numbers) Up(int cpus)
    {
        GroupUnderTest group = new(cpus, idleTime: _minute);
        List<int> numbers = group.Grant(group.Start(weInitiated: true));
        return (group, numbers);
    }

    private static (GroupUnderTest Group, List<int> Numbers) AllIdle(int cpus)
    {
        (GroupUnderTest group, List<int> numbers) = Up(cpus);
        LetIdle(group, numbers);
        return (group, numbers);
    }

    private static void LetIdle(GroupUnderTest group, List<int> numbers)
    {
        List<int> left = [.. numbers];
        for (int looks = 0; left.Count > 0; looks++)
        {
            Assert.True(looks < 30, "Not all of them go.");
            foreach (DeleteChild delete in group.Use().Cast<DeleteChild>())
            {
                Assert.True(left.Remove(delete.Number));
                group.Down(delete.Number, byPeer: false);
            }
        }
    }
}
