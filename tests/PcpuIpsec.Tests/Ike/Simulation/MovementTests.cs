using System.Net;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>A peer whose NAT gives it another mapping (RFC 7296 §2.23), and source ports that are no sign of one.</summary>
public class MovementTests
{
    private static readonly IPAddress _west = IPAddress.Parse("10.0.0.1");

    [Fact]
    public void Authentic_ESP_from_a_new_mapping_takes_IKE_and_every_Child_SA_there_with_the_same_keys()
    {
        Simulation simulation = BehindNat();
        uint[] spis = [.. simulation.East.Outbound.Select(s => s.Spi)];
        simulation.NatShift = 7;
        int mapped = Simulation.NatPort(4500) + 7;
        simulation.East.Process(new PeerSeen(simulation.East.Children[2].InboundSpi, new IPEndPoint(_west, mapped)));
        simulation.Run(TimeSpan.FromSeconds(2));
        Assert.Equal(mapped, simulation.East.Connection.Remote!.Port);
        Assert.Equal(spis, simulation.East.Outbound.Select(s => s.Spi));
        Assert.All(simulation.East.Outbound, s => Assert.Equal(mapped, s.Encapsulation!.DestinationPort));
        Assert.All(simulation.East.Inbound, s => Assert.Equal(mapped, s.Encapsulation!.SourcePort));
        Assert.Empty(simulation.East.Noticed<ChildSaRekeyed>());
        Assert.Empty(simulation.East.KeyReuse);

        // All of it works there, and goes there.
        simulation.East.Process(new RekeyChild("lab", simulation.East.Children[1].Number));
        simulation.East.Process(new CloseChild("lab", simulation.East.Children[2].Number));
        simulation.Run(TimeSpan.FromMinutes(2));
        Assert.Equal(5, simulation.East.Outbound.Count());
        Assert.All(simulation.East.Outbound, s => Assert.Equal(mapped, s.Encapsulation!.DestinationPort));
    }

    [Fact]
    public void A_request_or_a_response_of_the_peer_from_a_new_mapping_takes_the_Child_SAs_there_too()
    {
        foreach (bool request in new[] { true, false })
        {
            Simulation simulation = BehindNat();
            simulation.NatShift = 9;
            if (request)
            {
                simulation.West.Process(new CheckLiveness("lab"));
            }
            else
            {
                // The way in still stands as it was; the way out is another.
                simulation.NatShift = 0;
                simulation.East.Process(new CheckLiveness("lab"));
                simulation.Run(TimeSpan.FromMilliseconds(3));
                simulation.NatShift = 9;
            }

            simulation.Run(TimeSpan.FromSeconds(2));
            Assert.All(simulation.East.Outbound, s => Assert.Equal(Simulation.NatPort(4500) + 9, s.Encapsulation!.DestinationPort));
        }
    }

    [Fact]
    public void What_the_data_plane_cannot_change_in_place_is_rekeyed_to_the_new_mapping()
    {
        Simulation simulation = BehindNat();
        simulation.East.FailRequests.Add(nameof(UpdateSaRemote));
        simulation.NatShift = 7;
        simulation.East.Process(new PeerSeen(simulation.East.Children[2].InboundSpi, new IPEndPoint(_west, Simulation.NatPort(4500) + 7)));
        simulation.Run(TimeSpan.FromSeconds(20));
        Assert.Equal(5, simulation.East.Noticed<ChildSaRekeyed>().Count());
        Assert.Equal(5, simulation.East.Outbound.Count());
        Assert.All(simulation.East.Outbound, s => Assert.Equal(Simulation.NatPort(4500) + 7, s.Encapsulation!.DestinationPort));
        Assert.Empty(simulation.East.KeyReuse);
    }

    [Fact]
    public void A_peer_that_sends_each_SA_from_a_port_of_its_own_is_asked_once_a_port_and_not_followed()
    {
        Simulation simulation = BehindNat();
        foreach (ChildSaInfo child in simulation.East.Children)
        {
            for (int i = 0; i < 3; i++)
                simulation.East.Process(new PeerSeen(child.InboundSpi, new IPEndPoint(_west, 50000 + child.Number)));
        }

        simulation.Run(TimeSpan.FromSeconds(5));
        foreach (ChildSaInfo child in simulation.East.Children)
            simulation.East.Process(new PeerSeen(child.InboundSpi, new IPEndPoint(_west, 50000 + child.Number)));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.InRange(simulation.East.Core.Counters["peer-elsewhere"], 2, 5);
        Assert.All(simulation.East.Outbound, s => Assert.Equal(Simulation.NatPort(4500), s.Encapsulation!.DestinationPort));
        Assert.Equal(Simulation.NatPort(4500), simulation.East.Connection.Remote!.Port);
    }

    [Fact]
    public void Whoever_is_behind_the_NAT_himself_and_whoever_found_none_stays_where_he_is()
    {
        Simulation behind = BehindNat();
        behind.West.Process(new PeerSeen(behind.West.Children[0].InboundSpi, new IPEndPoint(IPAddress.Parse("10.0.0.2"), 4511)));
        Simulation without = Simulation.Connected();
        without.East.Process(new PeerSeen(without.East.Children[0].InboundSpi, new IPEndPoint(_west, 4511)));
        foreach (Simulation simulation in new[] { behind, without })
        {
            simulation.Run(TimeSpan.FromSeconds(5));
            Assert.Equal(0, simulation.West.Core.Counters.GetValueOrDefault("peer-elsewhere"));
            Assert.Equal(0, simulation.East.Core.Counters.GetValueOrDefault("peer-elsewhere"));
            Assert.DoesNotContain(simulation.Wire, w => w.Datagram.Remote.Port == 4511);
        }
    }

    [Fact]
    public void With_a_source_port_for_each_SA_outbound_ones_have_their_own_and_inbound_ones_take_any()
    {
        Simulation simulation = Simulation.Connected(c => c with { SourcePortPerSa = true, ForceEncapsulation = true });
        foreach (SimulatedHost host in new[] { simulation.West, simulation.East })
        {
            Assert.Equal(5, host.Outbound.Count());
            Assert.All(host.Outbound, s => Assert.InRange(s.Encapsulation!.SourcePort, 49152, 65535));
            Assert.InRange(host.Outbound.Select(s => s.Encapsulation!.SourcePort).Distinct().Count(), 4, 5);
            Assert.All(host.Outbound, s => Assert.Equal(4500, s.Encapsulation!.DestinationPort));
            Assert.All(host.Inbound, s => Assert.Equal(new UdpEncapsulation(0, 4500), s.Encapsulation));
        }

        simulation.AssertConsistent();
    }

    private static Simulation BehindNat()
    {
        Simulation simulation = new Simulation { NatBeforeWest = true }.Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(5, simulation.East.Outbound.Count());
        return simulation;
    }
}
