using System.Buffers.Binary;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Exchanges;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Resources;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>What strongSwan 6 and others do that an implementation with narrower expectations would trip over.</summary>
public class PeerHabitTests
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);
    private static readonly TrafficSelector _westNet = TrafficSelector.Parse("10.1.0.0/24");
    private static readonly TrafficSelector _eastNet = TrafficSelector.Parse("10.2.0.0/24");
    private static readonly CipherSuite _withKeyExchange = CipherSuite.ParseEsp("aes128gcm16-esn-x25519");

    [Theory]
    [InlineData("")]
    [InlineData("00000003")]
    public void A_request_with_the_packets_selectors_first_no_key_exchange_and_any_identifier_is_granted_with_the_groups_selectors(string identifier)
    {
        (Simulation simulation, ScriptedResponder peer) = Connect();
        peer.Ask(0, ExchangeType.CREATE_CHILD_SA, Request(0x2001, triggered: true, new NotifyPayload(NotifyType.SA_RESOURCE_INFO, Convert.FromHexString(identifier))));
        simulation.Run(_second);
        IReadOnlyList<Payload> answer = Assert.Single(peer.Responses).Payloads;
        Assert.DoesNotContain(answer, p => p is NotifyPayload { IsError: true });
        Assert.DoesNotContain(answer, p => p is KePayload);
        Assert.NotEmpty(answer.Notify(NotifyType.SA_RESOURCE_INFO)!.Data);
        Assert.Equal([_eastNet], answer.OfType<TsPayload>().Single(t => t.Type == PayloadType.TSi).Selectors);
        Assert.Equal([_westNet], answer.OfType<TsPayload>().Single(t => t.Type == PayloadType.TSr).Selectors);
        Assert.Equal(0, simulation.West.Children[1].Cpu);
    }

    [Fact]
    public void A_session_that_goes_because_both_ends_began_at_once_takes_no_CPU_s_place()
    {
        (Simulation simulation, _) = Connect();
        IResourceKeeper keeper = simulation.West.Core;
        IkeSession current = simulation.West.Core.Engine.Find("lab")!.Current!;

        Assert.Equal(new Placement(Refused: true, Cpu: null, Temporary: true), keeper.Place("lab", new IkeSession(current.Current)));

        Assert.Equal(0, keeper.Place("lab", current).Cpu);
    }

    [Fact]
    public void A_rekeying_without_SA_RESOURCE_INFO_keeps_the_CPU()
    {
        (Simulation simulation, ScriptedResponder peer) = Connect();
        peer.Ask(0, ExchangeType.CREATE_CHILD_SA, Request(0x2001, triggered: true, new NotifyPayload(NotifyType.SA_RESOURCE_INFO, [0, 0, 0, 3])));
        simulation.Run(6 * _second);
        ChildSaInfo before = simulation.West.Children[1];
        peer.Ask(1, ExchangeType.CREATE_CHILD_SA, Request(0x2002, triggered: false, new NotifyPayload(NotifyType.REKEY_SA, ProtocolId.ESP, ChildSaNegotiation.SpiBytes(0x2001), [])));
        // This peer does not delete the old one, so the new one waits as long as for a lost response.
        simulation.Run(6 * _second);
        ChildSaInfo after = Assert.Single(simulation.West.Children, c => c.OutboundSpi == 0x2002);
        Assert.Equal((before.Number, before.Cpu), (after.Number, after.Cpu));
        Assert.Contains(simulation.West.Outbound, s => s.Spi == 0x2002 && s.Cpu == before.Cpu && s.Replaces == 0x2001);
    }

    [Fact]
    public void A_per_CPU_Child_SA_that_the_peer_deletes_and_makes_again_all_the_time_makes_no_storm_of_ours()
    {
        (Simulation simulation, ScriptedResponder peer) = Connect();
        for (uint i = 0; i < 50; i++)
        {
            peer.Ask(2 * i, ExchangeType.CREATE_CHILD_SA, Request(0x2001 + i, triggered: true, new NotifyPayload(NotifyType.SA_RESOURCE_INFO, [0, 0, 0, 3])));
            simulation.Run(_second);
            Assert.Equal(2, simulation.West.Children.Count);
            peer.Ask(2 * i + 1, ExchangeType.INFORMATIONAL, new DeletePayload(ProtocolId.ESP, [0x2001 + i]));
            simulation.Run(_second);
            Assert.Single(simulation.West.Children);
        }

        Assert.DoesNotContain(peer.Requests, r => r.Header.Exchange == ExchangeType.CREATE_CHILD_SA);
        Assert.True(simulation.West.Installed.Count <= 2 + 3, "What was deleted is not left behind.");
    }

    [Fact]
    public void Both_ends_that_raise_acquires_on_every_CPU_at_once_make_more_than_they_need_and_carry_on()
    {
        for (int seed = 1; seed <= 10; seed++)
        {
            Simulation simulation = Simulation.Connected(c => c with { OnDemand = true }, seed: seed);
            for (int cpu = 0; cpu < 4; cpu++)
            {
                simulation.West.Process(new Acquire("lab", cpu, _westNet, _eastNet));
                simulation.East.Process(new Acquire("lab", cpu, _eastNet, _westNet));
            }

            simulation.Run(TimeSpan.FromMinutes(2));
            Assert.InRange(simulation.West.Children.Count, 5, 9);
            foreach (SimulatedHost host in new[] { simulation.West, simulation.East })
                Assert.Equal([0, 1, 2, 3], host.Outbound.Where(s => s.Cpu is not null).Select(s => s.Cpu!.Value).Order());
            simulation.AssertConsistent();
        }
    }

    [Fact]
    public void Nothing_is_lost_to_acquires_while_one_is_answered_or_refused()
    {
        Simulation simulation = Simulation.Connected(c => c with { OnDemand = true }, east: c => c with { MaxChildSas = 1 });
        Assert.Equal(true, simulation.West.AcquiresAllowed);
        simulation.West.Process(new Acquire("lab", 0, _westNet, _eastNet));
        Assert.Equal(false, simulation.West.AcquiresAllowed);
        simulation.Run(_second);
        Assert.Equal(true, simulation.West.AcquiresAllowed);
        simulation.West.Process(new Acquire("lab", 1, _westNet, _eastNet));
        simulation.Run(TimeSpan.FromMinutes(10));
        Assert.Equal(false, simulation.West.AcquiresAllowed);
        simulation.Run(TimeSpan.FromMinutes(15));
        Assert.Equal(true, simulation.West.AcquiresAllowed);
        simulation.West.Process(new CloseConnection("lab", Forget: false));
        simulation.Run(_second);
        Assert.Equal(false, simulation.West.AcquiresAllowed);
    }

    [Fact]
    public void Idle_Child_SAs_go_at_both_ends_and_come_back_when_the_fallback_carries_packets()
    {
        Simulation simulation = Simulation.Connected(c => c with { IdleTime = TimeSpan.FromMinutes(1), LivenessInterval = null });
        Assert.Equal(5, simulation.West.Children.Count);
        simulation.Run(TimeSpan.FromMinutes(3));
        Assert.True(Assert.Single(simulation.West.Children).IsFallback);
        Assert.Single(simulation.East.Children);
        int exchanges = simulation.Count(ExchangeType.CREATE_CHILD_SA);
        simulation.Run(TimeSpan.FromHours(1));
        Assert.Equal(exchanges, simulation.Count(ExchangeType.CREATE_CHILD_SA));
        simulation.AssertConsistent();

        simulation.West.Packets[(SaDirection.Outbound, simulation.West.Children[0].OutboundSpi)] = 10;
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(2, simulation.West.Children.Count);
        simulation.AssertConsistent();
    }

    [Fact]
    public void An_end_that_lets_them_idle_and_one_that_does_not_know_why_make_no_storm()
    {
        Simulation simulation = Simulation.Connected(west: c => c with { IdleTime = TimeSpan.FromSeconds(5) });
        simulation.Run(TimeSpan.FromHours(4));
        Assert.InRange(simulation.Count(ExchangeType.CREATE_CHILD_SA), 4, 4 * 40);
        simulation.AssertConsistent();
    }

    private static (Simulation Simulation, ScriptedResponder Peer) Connect()
    {
        Simulation simulation = new Simulation().Configure(c => c with { OnDemand = true, EspSuites = [_withKeyExchange, CipherSuite.ParseEsp("aes128gcm16-esn")] });
        ScriptedResponder peer = new(simulation) { AlsoInAuth = [new NotifyPayload(NotifyType.SA_RESOURCE_INFO)] };
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(_second);
        Assert.True(Assert.Single(simulation.West.Children).IsFallback);
        Assert.True(simulation.West.Connection.PerResource);
        return (simulation, peer);
    }

    private static Payload[] Request(uint spi, bool triggered, NotifyPayload notify)
    {
        byte[] nonce = new byte[32];
        BinaryPrimitives.WriteUInt32BigEndian(nonce, spi);
        TrafficSelector east = TrafficSelector.Parse("10.2.0.9[udp/53]");
        TrafficSelector west = TrafficSelector.Parse("10.1.0.7[udp/1000]");
        return
        [
            notify,
            new SaPayload(ChildSaNegotiation.Offer([CipherSuite.ParseEsp("aes128gcm16-esn")], ProtocolId.ESP, ChildSaNegotiation.SpiBytes(spi), includeKeyExchange: true)),
            new NoncePayload(nonce),
            new TsPayload(PayloadType.TSi, triggered ? [east, _eastNet] : [_eastNet]),
            new TsPayload(PayloadType.TSr, triggered ? [west, _westNet] : [_westNet]),
        ];
    }
}
