using PcpuIpsec.Ike;
using PcpuIpsec.Resources;

namespace PcpuIpsec.Tests.Resources;

/// <summary>Child SAs that come when a CPU sends.</summary>
public class OnDemandTests
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _hour = TimeSpan.FromHours(1);

    [Fact]
    public void On_demand_creates_for_the_CPU_that_sends_with_its_packets_selectors_and_once()
    {
        GroupUnderTest group = new(4, onDemand: true);
        Assert.Empty(group.Start(weInitiated: true));
        Assert.Empty(group.Wait(_hour));
        TrafficSelector local = new(false, 17, 1000, 1000, 1, 1);
        TrafficSelector remote = new(false, 17, 2000, 2000, 2, 2);
        Assert.Equal([new CreateForCpu(2, local, remote)], group.Acquire(2, local, remote));
        Assert.Empty(group.Acquire(2, local, remote));
        Assert.Equal(GroupUnderTest.CreateFor(3), group.Acquire(3));
        Assert.Empty(group.Up(2, ours: true));
        Assert.Empty(group.Acquire(2, local, remote));
        Assert.Empty(group.Acquire(9));
    }

    [Fact]
    public void On_demand_tries_a_temporary_failure_again_without_another_acquire_but_not_for_ever()
    {
        GroupUnderTest group = new(1, onDemand: true);
        group.Start(weInitiated: false);
        Assert.Single(group.Acquire(0));
        int requests = 1;
        while (group.Fail(0, CreateFailure.Temporary) is [] && group.WaitForDeadline() is [CreateForCpu])
            requests++;
        Assert.Equal(GroupTimes.AcquireTries, requests);
        Assert.True(group.Group.AcquiresAllowed);
        Assert.Equal(GroupUnderTest.CreateFor(0), group.Acquire(0));
    }

    [Fact]
    public void On_demand_an_acquire_after_any_other_failure_waits_for_the_back_off()
    {
        GroupUnderTest group = new(1, onDemand: true);
        group.Start(weInitiated: true);
        group.Acquire(0);
        Assert.Empty(group.Fail(0, CreateFailure.Other));
        Assert.Empty(group.Acquire(0));
        Assert.Equal(GroupUnderTest.CreateFor(0), group.Wait(4 * _second));
        group.Fail(0, CreateFailure.Other);
        Assert.Empty(group.Wait(_hour));
    }

    [Fact]
    public void On_demand_a_deleted_Child_SA_comes_back_at_the_next_packet_and_later_each_time()
    {
        GroupUnderTest group = new(1, onDemand: true);
        group.Start(weInitiated: true);
        group.Acquire(0);
        group.Up(7, 0, ours: true);
        Assert.Empty(group.Down(7, byPeer: true));
        Assert.Empty(group.Wait(_second));
        Assert.Equal(GroupUnderTest.CreateFor(0), group.Acquire(0));
        group.Up(8, 0, ours: true);
        group.Down(8, byPeer: true);
        Assert.Empty(group.Acquire(0));
        Assert.Equal(GroupUnderTest.CreateFor(0), group.Wait(8 * _second));
    }
}
