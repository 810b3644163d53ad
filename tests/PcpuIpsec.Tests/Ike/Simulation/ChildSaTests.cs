using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>CREATE_CHILD_SA and INFORMATIONAL between two gateways: new, rekeyed, moved and deleted Child SAs, and RFC 9611.</summary>
public class ChildSaTests
{
    [Theory]
    [InlineData(true, 0)]
    [InlineData(true, 2)]
    [InlineData(false, 0)]
    [InlineData(false, 3)]
    public void Rekeying_keeps_number_resource_and_selectors_and_changes_keys(bool west, int index)
    {
        Simulation simulation = Simulation.Connected();
        SimulatedHost host = west ? simulation.West : simulation.East;
        ChildSaInfo before = host.Children[index];
        host.Process(new RekeyChild("lab", before.Number));
        simulation.Run(TimeSpan.FromSeconds(5));
        ChildSaInfo after = Assert.Single(host.Children, c => c.Number == before.Number);
        Assert.NotEqual(before.InboundSpi, after.InboundSpi);
        Assert.NotEqual(before.OutboundSpi, after.OutboundSpi);
        Assert.Equal((before.Cpu, before.IsFallback), (after.Cpu, after.IsFallback));
        Assert.True(TrafficSelector.SameAs(before.LocalSelectors, after.LocalSelectors));
        Assert.Equal(5, host.Children.Count);
        simulation.AssertConsistent();
    }

    [Fact]
    public void The_outbound_half_of_a_rekeyed_one_takes_over_in_one_step_and_the_old_inbound_stays_for_stragglers()
    {
        Simulation simulation = Simulation.Connected();
        uint old = simulation.West.Children[1].InboundSpi;
        uint oldOut = simulation.West.Children[1].OutboundSpi;
        simulation.West.Process(new RekeyChild("lab", simulation.West.Children[1].Number));
        simulation.Run(TimeSpan.FromSeconds(1));
        Assert.Contains(simulation.West.Outbound, s => s.Replaces == oldOut);
        Assert.Contains(simulation.West.Inbound, s => s.Spi == old);
        Assert.DoesNotContain(simulation.West.Outbound, s => s.Spi == oldOut);
        simulation.Run(TimeSpan.FromSeconds(3));
        Assert.DoesNotContain(simulation.West.Inbound, s => s.Spi == old);
    }

    [Fact]
    public void At_no_moment_of_a_rekeying_does_a_CPU_lack_an_outbound_half_or_the_peer_its_inbound_half()
    {
        Simulation simulation = Simulation.Connected();
        foreach (ChildSaInfo child in simulation.West.Children)
            simulation.West.Process(new RekeyChild("lab", child.Number));
        bool everMissing = simulation.RunUntil(() => Missing(simulation.West, simulation.East) || Missing(simulation.East, simulation.West), TimeSpan.FromSeconds(10));
        Assert.False(everMissing);

        static bool Missing(SimulatedHost host, SimulatedHost peer)
            => new int?[] { null, 0, 1, 2, 3 }.Any(cpu => !host.Outbound.Any(s => s.Cpu == cpu)) || host.Outbound.Any(o => !peer.Inbound.Any(i => i.Spi == o.Spi));
    }

    [Fact]
    public void While_the_response_to_a_rekeying_is_lost_the_responder_sends_by_the_old_Child_SA_that_the_peer_still_has()
    {
        Simulation simulation = Simulation.Connected();
        int responses = 0;
        simulation.Filter = (from, _) => from != simulation.East || ++responses > 3;
        simulation.West.Process(new RekeyChild("lab", simulation.West.Children[2].Number));
        bool everMissing = simulation.RunUntil(() => simulation.East.Outbound.Any(o => !simulation.West.Inbound.Any(i => i.Spi == o.Spi)), TimeSpan.FromSeconds(10));

        Assert.False(everMissing);
        Assert.InRange(responses, 4, 10);
        Assert.Single(simulation.West.Noticed<ChildSaRekeyed>());
        simulation.AssertConsistent();
    }

    [Fact]
    public void While_the_response_with_a_Child_SA_beside_the_fallback_is_lost_the_responder_sends_by_the_fallback()
    {
        Simulation simulation = new Simulation().Configure();
        bool lost = false;
        // The first response to a CREATE_CHILD_SA, once.
        simulation.Filter = (from, d) => lost || from != simulation.East || !(lost = d.Message.Span[18] == (byte)ExchangeType.CREATE_CHILD_SA && (d.Message.Span[19] & 0x20) != 0);
        simulation.West.Process(new InitiateConnection("lab"));
        bool everMissing = simulation.RunUntil(() => simulation.East.Outbound.Any(o => o.Cpu is not null && !simulation.West.Inbound.Any(i => i.Spi == o.Spi)), TimeSpan.FromSeconds(10));

        Assert.False(everMissing);
        Assert.True(lost);
        Assert.Equal(5, simulation.East.Outbound.Count());
    }

    [Fact]
    public void A_responder_uses_its_outbound_half_at_the_peers_first_packet()
    {
        Simulation simulation = Simulation.Connected(c => c with { OutboundDelay = TimeSpan.FromMinutes(1) });
        Assert.Single(simulation.East.Outbound);
        simulation.East.Process(new InboundTraffic(simulation.East.Children.First(c => !c.IsFallback).InboundSpi));
        simulation.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(2, simulation.East.Outbound.Count());
    }

    [Fact]
    public void Both_ends_that_rekey_the_same_Child_SA_at_once_end_with_one()
    {
        int won = 0;
        for (int seed = 1; seed <= 12; seed++)
        {
            Simulation simulation = Simulation.Connected(seed: seed);
            ChildSaInfo west = simulation.West.Children[2];
            ChildSaInfo east = simulation.East.Children.Single(c => c.InboundSpi == west.OutboundSpi);
            simulation.West.Process(new RekeyChild("lab", west.Number));
            simulation.East.Process(new RekeyChild("lab", east.Number));
            simulation.Run(TimeSpan.FromSeconds(20));
            Assert.Equal(5, simulation.West.Children.Count);
            simulation.AssertConsistent();
            won += simulation.West.Children.Single(c => c.Number == west.Number).InitiatedByUs ? 1 : 0;
        }
        // The nonces decide, so it is neither always the one end nor always the other.
        Assert.InRange(won, 1, 11);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_deleted_per_CPU_Child_SA_comes_back_and_a_deleted_fallback_too(bool fallback)
    {
        Simulation simulation = Simulation.Connected();
        ChildSaInfo child = simulation.East.Children.First(c => c.IsFallback == fallback);
        simulation.East.Process(new CloseChild("lab", child.Number));
        simulation.Run(TimeSpan.FromSeconds(1));
        Assert.True(Assert.Single(simulation.West.Noticed<ChildSaClosed>()).ByPeer);
        Assert.False(Assert.Single(simulation.East.Noticed<ChildSaClosed>()).ByPeer);
        simulation.Run(TimeSpan.FromMinutes(5));
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.Single(simulation.East.Children, c => c.IsFallback);
        simulation.AssertConsistent();
    }

    [Fact]
    public void Both_ends_may_delete_the_same_Child_SA_at_once()
    {
        Simulation simulation = Simulation.Connected();
        ChildSaInfo west = simulation.West.Children[2];
        simulation.West.Process(new CloseChild("lab", west.Number));
        simulation.East.Process(new CloseChild("lab", simulation.East.Children.Single(c => c.InboundSpi == west.OutboundSpi).Number));
        simulation.Run(TimeSpan.FromMinutes(5));
        Assert.Equal(5, simulation.West.Children.Count);
        simulation.AssertConsistent();
    }

    [Fact]
    public void A_responder_at_its_limit_answers_TS_MAX_QUEUE_and_keeps_the_IKE_SA()
    {
        Simulation simulation = Simulation.Connected(null, c => c with { Cpus = [.. Enumerable.Range(0, 6)], MaxChildSas = 12 }, c => c with { Cpus = [0, 1], MaxChildSas = 4 });
        simulation.Run(TimeSpan.FromMinutes(1));
        Assert.Equal("up", simulation.West.Connection.State);
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.Contains(simulation.West.Noticed<ChildSaFailed>(), f => f.Notify == NotifyType.TS_MAX_QUEUE);
        Assert.DoesNotContain(simulation.West.Noticed<ChildSaFailed>(), f => f.Notify == NotifyType.NO_ADDITIONAL_SAS);
        // Heeded: it does not go on asking.
        int asked = simulation.Count(ExchangeType.CREATE_CHILD_SA);
        simulation.Run(TimeSpan.FromMinutes(1));
        Assert.Equal(asked, simulation.Count(ExchangeType.CREATE_CHILD_SA));
        simulation.AssertConsistent();
    }

    [Fact]
    public void A_rekeying_at_the_limit_is_not_refused()
    {
        Simulation simulation = Simulation.Connected(c => c with { Cpus = [0, 1], MaxChildSas = 2 });
        foreach (ChildSaInfo child in simulation.West.Children)
            simulation.West.Process(new RekeyChild("lab", child.Number));
        simulation.Run(TimeSpan.FromSeconds(10));
        Assert.Empty(simulation.West.Noticed<ChildSaRekeyFailed>());
        Assert.Equal(3, simulation.West.Noticed<ChildSaRekeyed>().Count());
        simulation.AssertConsistent();
    }

    [Theory]
    [InlineData(4, 2)]
    [InlineData(2, 4)]
    [InlineData(8, 1)]
    public void Every_CPU_of_the_larger_end_has_its_own_and_the_smaller_keeps_what_it_skipped(int west, int east)
    {
        Simulation simulation = Simulation.Connected(c => c with { MaxChildSas = 16 }, c => c with { Cpus = [.. Enumerable.Range(0, west)] }, c => c with { Cpus = [.. Enumerable.Range(0, east)] });
        simulation.Run(TimeSpan.FromMinutes(1));
        int most = Math.Max(west, east);
        Assert.Equal(Enumerable.Range(0, west), simulation.West.Outbound.Where(s => s.Cpu is not null).Select(s => s.Cpu!.Value).Order());
        Assert.Equal(Enumerable.Range(0, east), simulation.East.Outbound.Where(s => s.Cpu is not null).Select(s => s.Cpu!.Value).Order());
        Assert.Equal(most + 1, simulation.West.Inbound.Count());
        Assert.Equal(most + 1, simulation.East.Inbound.Count());
        simulation.AssertConsistent();
    }

    [Fact]
    public void A_skipped_outbound_half_is_bound_when_a_CPU_comes_online_and_a_used_one_only_with_new_keys()
    {
        Simulation simulation = new Simulation().Configure();
        simulation.East.Process(new CpuChanged(3, false));
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(4, simulation.East.Outbound.Count());
        Assert.Equal(5, simulation.East.Inbound.Count());
        simulation.East.Process(new CpuChanged(3, true));
        simulation.Run(TimeSpan.FromSeconds(10));
        Assert.Contains(simulation.East.Outbound, s => s.Cpu == 3);
        Assert.Empty(simulation.East.Noticed<ChildSaRekeyed>());

        simulation.East.Process(new CpuChanged(3, false));
        simulation.Run(TimeSpan.FromSeconds(10));
        Assert.DoesNotContain(simulation.East.Outbound, s => s.Cpu == 3);
        simulation.East.Process(new CpuChanged(3, true));
        simulation.Run(TimeSpan.FromSeconds(10));
        Assert.Contains(simulation.East.Outbound, s => s.Cpu == 3);
        Assert.Single(simulation.East.Noticed<ChildSaRekeyed>());
        simulation.AssertConsistent();
    }

    [Fact]
    public void On_demand_each_CPU_that_sends_gets_its_own_with_the_packets_selectors_first()
    {
        Simulation simulation = Simulation.Connected(c => c with { OnDemand = true });
        Assert.Single(simulation.West.Children);
        simulation.West.Process(new Acquire("lab", 2, TrafficSelector.Parse("10.1.0.7[udp/1000]"), TrafficSelector.Parse("10.2.0.9[udp/53]")));
        simulation.Run(TimeSpan.FromSeconds(5));
        ChildSaInfo child = Assert.Single(simulation.West.Children, c => !c.IsFallback);
        Assert.Equal(2, child.Cpu);
        Assert.Equal([TrafficSelector.Parse("10.1.0.0/24")], child.LocalSelectors);
        simulation.West.Process(new Acquire("lab", 2, TrafficSelector.Parse("10.1.0.7[udp/1000]"), TrafficSelector.Parse("10.2.0.9[udp/53]")));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(2, simulation.West.Children.Count);
        simulation.AssertConsistent();
    }

    [Fact]
    public void An_acquire_initiates_a_connection_that_is_down()
    {
        Simulation simulation = new Simulation().Configure();
        simulation.West.Process(new Acquire("lab", 0, TrafficSelector.Parse("10.1.0.7"), TrafficSelector.Parse("10.2.0.9")));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal("up", simulation.West.Connection.State);
    }

    [Fact]
    public void Lifetimes_rekey_softly_and_delete_hard()
    {
        Simulation simulation = Simulation.Connected();
        ChildSaInfo child = simulation.West.Children[3];
        simulation.West.Process(new LifetimeReached(SaDirection.Outbound, child.OutboundSpi, simulation.East.Address, Hard: false));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(child.Number, Assert.Single(simulation.West.Noticed<ChildSaRekeyed>()).Child.Number);
        uint inbound = simulation.West.Children.Single(c => c.Number == child.Number).InboundSpi;
        simulation.West.Process(new LifetimeReached(SaDirection.Inbound, inbound, simulation.West.Address, Hard: true));
        simulation.West.Process(new LifetimeReached(SaDirection.Inbound, 12345, simulation.West.Address, Hard: true));
        simulation.Run(TimeSpan.FromSeconds(1));
        Assert.Single(simulation.West.Noticed<ChildSaClosed>());
    }

    [Fact]
    public void Rekey_times_rekey_children_and_the_IKE_SA_for_hours_without_a_fault()
    {
        Simulation simulation = Simulation.Connected(c => c with { ChildRekeyTime = TimeSpan.FromMinutes(10), IkeRekeyTime = TimeSpan.FromMinutes(35) });
        simulation.Run(TimeSpan.FromHours(3));
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.InRange(simulation.West.Noticed<IkeSaRekeyed>().Count(), 4, 12);
        Assert.InRange(simulation.West.Noticed<ChildSaRekeyed>().Count(), 60, 220);
        Assert.Empty(simulation.West.Noticed<ChildSaClosed>());
        Assert.Empty(simulation.West.Noticed<IkeSaClosed>());
        simulation.AssertConsistent();
    }

    [Fact]
    public void Moving_a_Child_SA_binds_new_keys_to_the_other_CPU()
    {
        Simulation simulation = Simulation.Connected(c => c with { Cpus = [0, 1] });
        ChildSaInfo child = simulation.West.Children.Single(c => c.Cpu == 0);
        simulation.West.Process(new RekeyChild("lab", child.Number, NewCpu: 1));
        simulation.Run(TimeSpan.FromMilliseconds(500));
        Assert.Equal(1, simulation.West.Children.Single(c => c.Number == child.Number).Cpu);
        Assert.Empty(simulation.West.KeyReuse);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Rekeying_the_IKE_SA_keeps_the_Child_SAs_and_starts_at_window_1(bool both)
    {
        for (int seed = 1; seed <= 8; seed++)
        {
            Simulation simulation = Simulation.Connected(seed: seed);
            uint[] before = [.. simulation.West.Children.Select(c => c.InboundSpi)];
            ulong spi = simulation.West.Connection.InitiatorSpi;
            simulation.West.Process(new RekeyIke("lab"));
            if (both)
                simulation.East.Process(new RekeyIke("lab"));
            simulation.Run(TimeSpan.FromSeconds(60));
            Assert.NotEqual(spi, simulation.West.Connection.InitiatorSpi);
            Assert.Equal(simulation.West.Connection.InitiatorSpi, simulation.East.Connection.InitiatorSpi);
            Assert.Equal(before, simulation.West.Children.Select(c => c.InboundSpi));
            Assert.Empty(simulation.West.Noticed<IkeSaClosed>());
            // It carries exchanges of all kinds.
            simulation.East.Process(new RekeyChild("lab", simulation.East.Children[0].Number));
            simulation.West.Process(new CheckLiveness("lab"));
            simulation.Run(TimeSpan.FromSeconds(10));
            Assert.Single(simulation.West.Noticed<ChildSaRekeyed>());
            simulation.AssertConsistent();
        }
    }

    [Fact]
    public void Rekeying_the_IKE_SA_while_Child_SAs_are_made_drains_them_first()
    {
        Simulation simulation = new Simulation { MinDelay = TimeSpan.FromMilliseconds(50), MaxDelay = TimeSpan.FromMilliseconds(50) }
            .Configure(c => c with { Cpus = [.. Enumerable.Range(0, 32)], MaxChildSas = 64, WindowSize = 4 });
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.RunUntil(() => simulation.West.State == "up" && simulation.West.Children.Count > 3, TimeSpan.FromSeconds(5));
        simulation.West.Process(new RekeyIke("lab"));
        simulation.Run(TimeSpan.FromMinutes(1));
        Assert.Single(simulation.West.Noticed<IkeSaRekeyed>());
        Assert.Equal(33, simulation.West.Children.Count);
        simulation.AssertConsistent();
    }

    [Fact]
    public void Thirty_percent_loss_delays_but_breaks_nothing()
    {
        Simulation simulation = new Simulation(5) { Loss = 0.3, Duplication = 0.2, MaxDelay = TimeSpan.FromMilliseconds(200) }.Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        Assert.True(simulation.RunUntil(() => simulation.West.Children.Count == 5, TimeSpan.FromMinutes(1)));
        simulation.West.Process(new RekeyIke("lab"));
        simulation.West.Process(new RekeyChild("lab", simulation.West.Children[1].Number));
        simulation.Run(TimeSpan.FromMinutes(1));
        simulation.Loss = 0;
        simulation.Run(TimeSpan.FromMinutes(10));
        // The other end may have made up for one that was late.
        Assert.InRange(simulation.West.Children.Count, 5, 9);
        Assert.Equal([0, 1, 2, 3], simulation.West.Outbound.Where(s => s.Cpu is not null).Select(s => s.Cpu!.Value).Distinct().Order());
        simulation.AssertConsistent();
    }

    [Fact]
    public void One_hundred_and_twenty_eight_per_CPU_Child_SAs_come_up_are_rekeyed_and_go_down()
    {
        Simulation simulation = Simulation.Connected(c => c with { Cpus = [.. Enumerable.Range(0, 128)], MaxChildSas = 256, WindowSize = 64 });
        Assert.Equal(129, simulation.West.Children.Count);
        foreach (ChildSaInfo child in simulation.West.Children)
            simulation.West.Process(new RekeyChild("lab", child.Number));
        simulation.Run(TimeSpan.FromSeconds(30));
        Assert.Equal(129, simulation.West.Noticed<ChildSaRekeyed>().Count());
        simulation.AssertConsistent();
        simulation.West.Process(new CloseConnection("lab", Forget: true));
        simulation.Run(TimeSpan.FromSeconds(30));
        Assert.Empty(simulation.West.Installed);
        Assert.Empty(simulation.East.Installed);
    }
}
