using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>A peer that authenticates anew, one that lost its state, and IKE SAs that replace one another.</summary>
public class TakeoverTests
{
    [Theory]
    [InlineData(true, 1)]
    [InlineData(true, 2)]
    [InlineData(false, 3)]
    [InlineData(false, 4)]
    public void A_peer_that_reauthenticates_interrupts_no_CPUs_traffic(bool west, int seed)
    {
        Simulation simulation = Simulation.Connected(seed: seed);
        SimulatedHost host = west ? simulation.West : simulation.East;
        uint[] before = [.. simulation.West.Children.Select(c => c.InboundSpi)];
        host.Reauthenticate();
        Assert.False(simulation.RunUntil(() => !IsCarried(simulation), TimeSpan.FromMinutes(2)));
        Assert.Equal(simulation.West.Connection.InitiatorSpi, simulation.East.Connection.InitiatorSpi);
        Assert.Empty(before.Intersect(simulation.West.Children.Select(c => c.InboundSpi)));
        Assert.Equal([0, 1, 2, 3], simulation.West.Children.Where(c => c.Cpu is not null).Select(c => c.Cpu!.Value).Order());
        simulation.AssertConsistent();
    }

    [Fact]
    public void Both_ends_that_reauthenticate_at_once_end_with_one_IKE_SA()
    {
        for (int seed = 1; seed <= 6; seed++)
        {
            Simulation simulation = Simulation.Connected(seed: seed);
            simulation.West.Reauthenticate();
            simulation.East.Reauthenticate();
            Assert.False(simulation.RunUntil(() => !IsCarried(simulation), TimeSpan.FromMinutes(2)));
            Assert.Equal(simulation.West.Connection.InitiatorSpi, simulation.East.Connection.InitiatorSpi);
            simulation.AssertConsistent();
        }
    }

    [Fact]
    public void A_peer_that_deletes_first_and_authenticates_then_comes_back_with_all_its_Child_SAs()
    {
        Simulation simulation = Simulation.Connected();
        simulation.West.Process(new CloseConnection("lab", Forget: false));
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromMinutes(1));
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromMinutes(1));
        Assert.Equal(5, simulation.East.Children.Count);
        simulation.AssertConsistent();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_process_that_is_killed_and_finds_its_SAs_in_the_kernel_interrupts_no_CPUs_traffic(bool west)
    {
        for (int seed = 1; seed <= 10; seed++)
        {
            Simulation simulation = Simulation.Connected(seed: seed);
            (SimulatedHost host, SimulatedHost peer) = west ? (simulation.West, simulation.East) : (simulation.East, simulation.West);
            host.RestartBesideItsKernel();
            simulation.Run(TimeSpan.FromSeconds(3));
            host.Process(new AddConnection(Simulation.Connection(west)));
            host.Process(new InitiateConnection("lab"));

            Assert.False(simulation.RunUntil(() => !IsCarried(simulation), TimeSpan.FromMinutes(1)), $"seed {seed}");

            Assert.Equal("the peer has started anew", Assert.Single(peer.Noticed<IkeSaClosed>()).Reason);
            Assert.Equal([0, 1, 2, 3], peer.Children.Where(c => c.Cpu is not null).Select(c => c.Cpu!.Value).Order());
            simulation.AssertConsistent();
        }
    }

    [Theory]
    [InlineData(true, 0.1)]
    [InlineData(false, 5.1)]
    public void A_peer_that_lost_its_SAs_too_is_sent_to_by_the_new_ones_from_its_next_request_on_or_after_a_moment(bool perCpu, double seconds)
    {
        Simulation simulation = Simulation.Connected(c => c with { PerCpu = perCpu });
        simulation.West.Restart();
        simulation.West.Process(new AddConnection(Simulation.Connection(true, c => c with { PerCpu = perCpu })));
        simulation.West.Process(new InitiateConnection("lab"));
        Assert.True(simulation.RunUntil(() => simulation.West.Connection.State == "up", TimeSpan.FromSeconds(1)));
        Assert.True(simulation.RunUntil(() => simulation.West.Inbound.Any(s => s.Spi == simulation.East.OutboundOf(null)?.Spi), TimeSpan.FromSeconds(seconds)));
    }

    [Fact]
    public void An_IKE_SA_that_the_peer_deletes_while_an_outbound_SA_is_being_installed_is_gone_and_nothing_else()
    {
        Simulation simulation = Simulation.Connected(c => c with { PerCpu = false });
        simulation.West.Restart();
        simulation.West.Process(new AddConnection(Simulation.Connection(true, c => c with { PerCpu = false })));
        simulation.West.Process(new InitiateConnection("lab"));
        Assert.True(simulation.RunUntil(() => simulation.West.Connection.State == "up", TimeSpan.FromSeconds(0.5)));
        simulation.MaxRequestDelay = TimeSpan.FromSeconds(2);

        simulation.West.Process(new CloseConnection("lab", Forget: false));
        simulation.Run(TimeSpan.FromSeconds(20));

        Assert.Equal("down", simulation.East.State);
        Assert.Empty(simulation.East.Installed);
    }

    [Fact]
    public void Where_the_new_IKE_SA_goes_at_once_the_old_one_that_was_left_out_goes_too_and_another_comes()
    {
        Simulation simulation = Simulation.Connected();
        simulation.West.Reauthenticate();
        simulation.Run(TimeSpan.FromSeconds(2));
        simulation.East.Process(new CloseConnection("lab", Forget: false));
        simulation.Run(TimeSpan.FromMinutes(2));
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.Equal(5, simulation.West.Outbound.Count());
        simulation.AssertConsistent();
    }

    [Fact]
    public void The_first_IKE_SA_with_a_peer_says_so_and_one_beside_another_does_not()
    {
        Simulation simulation = Simulation.Connected();
        Assert.Empty(simulation.East.Noticed<IkeSaClosed>());
        simulation.West.Reauthenticate();
        simulation.Run(TimeSpan.FromSeconds(1));
        // INITIAL_CONTACT would have ended it by now.
        Assert.Empty(simulation.East.Noticed<IkeSaClosed>());
        simulation.Run(TimeSpan.FromMinutes(1));
        Assert.Single(simulation.East.Noticed<IkeSaClosed>());
    }

    [Fact]
    public void What_the_original_responder_asks_for_right_after_the_peers_rekeying_of_the_IKE_SA_needs_no_retransmission()
    {
        for (int seed = 1; seed <= 10; seed++)
        {
            Simulation simulation = Simulation.Connected(seed: seed);
            simulation.MaxRequestDelay = TimeSpan.FromMilliseconds(150);
            simulation.East.Process(new CheckLiveness("lab"));
            simulation.Run(TimeSpan.FromSeconds(2));
            simulation.West.Process(new RekeyIke("lab"));
            Assert.True(simulation.RunUntil(() => simulation.East.Noticed<IkeSaRekeyed>().Any(), TimeSpan.FromSeconds(5)));
            simulation.East.Process(new CheckLiveness("lab"));
            simulation.East.Process(new RekeyChild("lab", simulation.East.Children[1].Number));
            simulation.Run(TimeSpan.FromSeconds(10));
            Assert.Equal(0, simulation.East.Core.Counters.GetValueOrDefault("retransmissions"));
            Assert.Equal(0, simulation.West.Core.Counters.GetValueOrDefault("ike-unknown-spi"));
            Assert.Single(simulation.East.Noticed<ChildSaRekeyed>());
            simulation.AssertConsistent();
        }
    }

    [Fact]
    public void Packets_that_wait_do_not_have_a_peer_that_refuses_us_asked_again_and_again()
    {
        Simulation simulation = new Simulation().Configure(null, null, c => c with { RemoteId = IkeIdentity.Parse("somebody") });
        for (int i = 0; i < 600; i++)
        {
            simulation.West.Process(new Acquire("lab", i % 2 == 0 ? null : 1, TrafficSelector.Parse("10.1.0.7"), TrafficSelector.Parse("10.2.0.9")));
            simulation.Run(TimeSpan.FromSeconds(1));
        }

        Assert.InRange(simulation.Count(ExchangeType.IKE_SA_INIT), 12, 20);
    }

    [Fact]
    public void A_packet_without_a_CPU_initiates_what_is_down_and_brings_the_fallback_back()
    {
        Simulation simulation = new Simulation().Configure(c => c with { OnDemand = true });
        simulation.West.Process(new Acquire("lab", null, TrafficSelector.Parse("10.1.0.7"), TrafficSelector.Parse("10.2.0.9")));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(true, simulation.West.AcquiresAllowed);
        simulation.East.Process(new CloseChild("lab", Assert.Single(simulation.East.Children).Number));
        Assert.True(simulation.RunUntil(() => simulation.West.Children.Count == 0, TimeSpan.FromSeconds(1)));
        Assert.Equal(false, simulation.West.AcquiresAllowed);
        simulation.West.Process(new Acquire("lab", null, TrafficSelector.Parse("10.1.0.7"), TrafficSelector.Parse("10.2.0.9")));
        Assert.True(simulation.RunUntil(() => simulation.West.Children.Count == 1 && simulation.East.Children.Count == 1, TimeSpan.FromMilliseconds(500)));
        simulation.Run(TimeSpan.FromMinutes(1));
        simulation.AssertConsistent();
    }

    /// <summary>Whether what each CPU would send with now has its inbound half at the other end: the newest of its own, else the newest bound to none.</summary>
    private static bool IsCarried(Simulation simulation)
    {
        foreach ((SimulatedHost host, SimulatedHost peer) in new[] { (simulation.West, simulation.East), (simulation.East, simulation.West) })
        {
            for (int cpu = 0; cpu < 4; cpu++)
            {
                SaInstallation? used = host.Outbound.LastOrDefault(s => s.Cpu == cpu) ?? host.Outbound.LastOrDefault(s => s.Cpu is null);
                if (used is null || !peer.Inbound.Any(i => i.Spi == used.Spi))
                    return false;
            }
        }

        return true;
    }
}
