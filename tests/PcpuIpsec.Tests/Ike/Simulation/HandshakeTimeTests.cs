using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>What exchanges and handshakes take, by the runtime's clock.</summary>
public class HandshakeTimeTests
{
    // 5 ms each way, and up to 1 ms for what the core asks of its surroundings.
    private static readonly TimeSpan _roundTrip = TimeSpan.FromMilliseconds(10);

    [Fact]
    public void A_set_up_takes_two_round_trips_at_the_initiator_and_one_and_a_half_at_the_responder_at_least()
    {
        Simulation simulation = Simulation.Connected();
        TimeSpan west = Assert.Single(Handshakes(simulation.West, Handshake.IkeSaSetup)), east = Assert.Single(Handshakes(simulation.East, Handshake.IkeSaSetup));
        Assert.InRange(west, _roundTrip * 2, _roundTrip * 4);
        Assert.InRange(east, _roundTrip, west);
        TimeSpan init = Assert.Single(Exchanges(simulation.West, ExchangeType.IKE_SA_INIT)), auth = Assert.Single(Exchanges(simulation.West, ExchangeType.IKE_AUTH));
        Assert.InRange(init, _roundTrip, west);
        Assert.InRange(auth, _roundTrip, west);
        Assert.Equal(4, Handshakes(simulation.West, Handshake.ChildSaSetup).Concat(Handshakes(simulation.East, Handshake.ChildSaSetup)).Count());
    }

    [Fact]
    public void A_rekeying_is_timed_where_it_was_begun()
    {
        Simulation simulation = Simulation.Connected();
        simulation.West.Process(new RekeyChild("lab", simulation.West.Children[1].Number));
        simulation.Run(TimeSpan.FromSeconds(1));
        simulation.West.Process(new RekeyIke("lab"));
        simulation.Run(TimeSpan.FromSeconds(1));
        Assert.InRange(Assert.Single(Handshakes(simulation.West, Handshake.ChildSaRekey)), _roundTrip, _roundTrip * 2);
        Assert.InRange(Assert.Single(Handshakes(simulation.West, Handshake.IkeSaRekey)), _roundTrip, _roundTrip * 2);
        Assert.Empty(Handshakes(simulation.East, Handshake.ChildSaRekey));
        Assert.Empty(Handshakes(simulation.East, Handshake.IkeSaRekey));
    }

    [Fact]
    public void A_lost_request_makes_its_exchange_as_much_longer_as_the_wait_for_its_retransmission()
    {
        Simulation simulation = Simulation.Connected();
        bool lost = false;
        simulation.Filter = (_, _) => lost || !(lost = true);
        int before = Exchanges(simulation.West, ExchangeType.CREATE_CHILD_SA).Count();
        simulation.West.Process(new RekeyChild("lab", simulation.West.Children[1].Number));
        simulation.Run(TimeSpan.FromSeconds(3));
        TimeSpan wait = Simulation.Connection(west: true).RetransmitInitial;
        Assert.InRange(Exchanges(simulation.West, ExchangeType.CREATE_CHILD_SA).ElementAt(before), wait + _roundTrip, wait + (_roundTrip * 2));
    }

    private static IEnumerable<TimeSpan> Handshakes(SimulatedHost host, Handshake handshake) => host.Noticed<HandshakeDone>().Where(n => n.Handshake == handshake).Select(n => n.Duration);

    private static IEnumerable<TimeSpan> Exchanges(SimulatedHost host, ExchangeType exchange) => host.Noticed<ExchangeAnswered>().Where(n => n.Exchange == exchange).Select(n => n.RoundTrip);
}
