using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>IKE_SA_INIT and IKE_AUTH between two gateways, and what keeps them from it.</summary>
public class ConnectTests
{
    [Fact]
    public void A_fallback_and_one_Child_SA_per_CPU_come_up_at_both_ends()
    {
        Simulation simulation = Simulation.Connected();
        Assert.Equal("up", simulation.West.Connection.State);
        Assert.True(simulation.West.Connection.PerResource);
        foreach (SimulatedHost host in new[] { simulation.West, simulation.East })
        {
            Assert.Single(host.Children, c => c.IsFallback && c.Cpu is null);
            Assert.Equal([0, 1, 2, 3], host.Children.Where(c => !c.IsFallback).Select(c => c.Cpu!.Value).Order());
            Assert.Equal(5, host.Outbound.Count());
        }
        simulation.AssertConsistent();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void One_IKE_SA_is_left_of_two_begun_at_once_also_where_the_peer_deletes_neither(int seed)
    {
        Simulation simulation = new Simulation(seed).Configure(east: c => c with { InboundGrace = TimeSpan.FromHours(1) });
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.East.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(30));
        foreach (SimulatedHost host in new[] { simulation.West, simulation.East })
        {
            Assert.Equal(2, host.Noticed<IkeSaEstablished>().Count());
            Assert.Single(host.Noticed<IkeSaClosed>());
            Assert.Equal("up", host.State);
        }
        simulation.AssertConsistent();
    }

    [Fact]
    public void Requests_for_all_CPUs_are_in_flight_at_once_where_the_window_allows()
    {
        Simulation simulation = Simulation.Connected(c => c with { Cpus = [.. Enumerable.Range(0, 16)], MaxChildSas = 32 });
        TimeSpan up = simulation.West.Notices.Last(n => n.Notice is ChildSaEstablished).At;
        Assert.Equal(17, simulation.West.Children.Count);
        // 10 ms a round trip: INIT, AUTH, and two for 16 children in a window of 16, not 18.
        Assert.InRange(up.TotalMilliseconds, 30, 60);
    }

    [Fact]
    public void With_a_window_of_1_requests_go_one_after_the_other()
    {
        Simulation simulation = Simulation.Connected(c => c with { WindowSize = 1 });
        Assert.Equal(5, simulation.West.Children.Count);
        List<uint> unanswered = [];
        foreach ((SimulatedHost from, SendDatagram datagram) in simulation.Wire.Where(w => w.Datagram.Message.Span[18] == (byte)ExchangeType.CREATE_CHILD_SA))
        {
            bool response = (datagram.Message.Span[19] & 0x20) != 0;
            uint id = BitConverter.ToUInt32([.. datagram.Message.Span[20..24].ToArray().Reverse()]);
            if (from == simulation.West && !response)
                unanswered.Add(id);
            else if (from == simulation.East && response)
                unanswered.Remove(id);
            Assert.InRange(unanswered.Count, 0, 1);
        }
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void A_peer_without_RFC_9611_gets_one_ordinary_Child_SA(bool west, bool east)
    {
        Simulation simulation = Simulation.Connected(null, c => c with { PerCpu = west }, c => c with { PerCpu = east });
        simulation.Run(TimeSpan.FromMinutes(10));
        Assert.False(simulation.West.Connection.PerResource);
        Assert.Single(simulation.West.Children);
        Assert.Equal(0, simulation.Count(ExchangeType.CREATE_CHILD_SA));
        simulation.AssertConsistent();
    }

    [Fact]
    public void A_wrong_pre_shared_key_is_named_at_both_ends_and_leaves_nothing()
    {
        Simulation simulation = new Simulation().Configure();
        simulation.East.Psk = "another";
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(PcpuIpsecError.AuthenticationFailed, Assert.Single(simulation.West.Noticed<IkeSaFailed>()).Error);
        Assert.Equal(PcpuIpsecError.AuthenticationFailed, Assert.Single(simulation.East.Noticed<IkeSaFailed>()).Error);
        AssertNothingLeft(simulation);
    }

    [Fact]
    public void A_responder_that_cannot_prove_itself_is_told_so_and_left()
    {
        // East takes any AUTH but signs with another key: a hostile responder.
        Simulation simulation = new Simulation().Configure();
        simulation.East.SigningPsk = "another";
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(5));
        IkeSaFailed failed = Assert.Single(simulation.West.Noticed<IkeSaFailed>());
        Assert.Equal(PcpuIpsecError.AuthenticationFailed, failed.Error);
        Assert.Contains("pre-shared key", failed.Reason);
        Assert.Equal(PcpuIpsecError.AuthenticationFailed, Assert.Single(simulation.East.Noticed<IkeSaClosed>()).Error);
        AssertNothingLeft(simulation);
    }

    [Fact]
    public void A_peer_with_another_identity_is_refused_by_both_roles()
    {
        Simulation responder = Simulation.Connected(null, null, c => c with { RemoteId = IkeIdentity.Parse("somebody") });
        Assert.Equal(PcpuIpsecError.AuthenticationFailed, Assert.Single(responder.West.Noticed<IkeSaFailed>()).Error);
        AssertNothingLeft(responder);

        Simulation initiator = Simulation.Connected(null, c => c with { RemoteId = IkeIdentity.Parse("nobody") });
        Assert.Equal(PcpuIpsecError.AuthenticationFailed, Assert.Single(initiator.West.Noticed<IkeSaFailed>()).Error);
        AssertNothingLeft(initiator);
    }

    [Fact]
    public void Without_a_common_IKE_proposal_both_ends_say_so_at_once()
    {
        Simulation simulation = Simulation.Connected(null, c => c with { IkeSuites = [CipherSuite.ParseIke("aes256gcm16-sha384-ecp384")] });
        Assert.Equal(PcpuIpsecError.NoProposalChosen, Assert.Single(simulation.West.Noticed<IkeSaFailed>()).Error);
        Assert.Contains("aes128gcm16", Assert.Single(simulation.East.Noticed<IkeSaFailed>()).Reason);
        Assert.True(simulation.West.Notices[0].At < TimeSpan.FromSeconds(1));
        AssertNothingLeft(simulation);
    }

    [Fact]
    public void Without_a_common_ESP_proposal_the_IKE_SA_is_closed_again()
    {
        Simulation simulation = Simulation.Connected(null, c => c with { EspSuites = [CipherSuite.ParseEsp("aes256gcm16")] });
        Assert.Equal(PcpuIpsecError.NoProposalChosen, Assert.Single(simulation.West.Noticed<ChildSaFailed>()).Error);
        AssertNothingLeft(simulation);
    }

    [Fact]
    public void Selectors_that_do_not_match_are_named_and_nothing_is_left()
    {
        Simulation simulation = Simulation.Connected(null, c => c with { RemoteSelectors = [TrafficSelector.Parse("10.9.0.0/24")] });
        Assert.Equal(PcpuIpsecError.TrafficSelectorsUnacceptable, Assert.Single(simulation.West.Noticed<ChildSaFailed>()).Error);
        Assert.Contains("10.9.0.0/24", Assert.Single(simulation.East.Noticed<ChildSaFailed>()).Reason);
        AssertNothingLeft(simulation);
    }

    [Fact]
    public void Tunnel_and_transport_mode_do_not_mix()
    {
        Simulation simulation = Simulation.Connected(null, c => c with { Mode = IpsecMode.Transport });
        Assert.NotEmpty(simulation.West.Noticed<ChildSaFailed>());
        AssertNothingLeft(simulation);
    }

    [Fact]
    public void Transport_mode_is_agreed_for_every_Child_SA()
    {
        Simulation simulation = Simulation.Connected(c => c with { Mode = IpsecMode.Transport, LocalSelectors = [TrafficSelector.Parse(c.LocalAddress.ToString())], RemoteSelectors = [TrafficSelector.Parse(c.RemoteAddress.ToString())] });
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.All(simulation.West.Installed, s => Assert.Equal(IpsecMode.Transport, s.Mode));
        simulation.AssertConsistent();
    }

    [Fact]
    public void Selectors_are_narrowed_to_what_both_ends_allow()
    {
        Simulation simulation = Simulation.Connected(null, c => c with { LocalSelectors = [TrafficSelector.Parse("10.1.0.0/16")] });
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.All(simulation.West.Children, c => Assert.Equal([TrafficSelector.Parse("10.1.0.0/24")], c.LocalSelectors));
        simulation.AssertConsistent();
    }

    [Fact]
    public void A_silent_peer_is_told_of_soon_and_once_and_given_up_within_30_s()
    {
        Simulation simulation = new Simulation { Filter = (_, _) => false }.Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(60));
        Assert.Equal(2, simulation.West.Notices.Count);
        (TimeSpan told, IkeNotice first) = simulation.West.Notices[0];
        Assert.Equal(ExchangeType.IKE_SA_INIT, Assert.IsType<PeerSlow>(first).Exchange);
        Assert.InRange(told.TotalSeconds, 3, 6);
        (TimeSpan at, IkeNotice notice) = simulation.West.Notices[1];
        Assert.Equal(PcpuIpsecError.PeerSilent, Assert.IsType<IkeSaFailed>(notice).Error);
        Assert.InRange(at.TotalSeconds, 20, 30);
        Assert.InRange(simulation.West.Sent, 5, 12);
        AssertNothingLeft(simulation);
    }

    [Fact]
    public void A_peer_that_falls_silent_after_IKE_SA_INIT_is_given_up_by_both_roles()
    {
        Simulation simulation = new Simulation { Filter = (_, d) => d.Message.Span[18] == (byte)ExchangeType.IKE_SA_INIT }.Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(60));
        Assert.Equal(PcpuIpsecError.PeerSilent, Assert.Single(simulation.West.Noticed<IkeSaFailed>()).Error);
        Assert.Equal(PcpuIpsecError.PeerSilent, Assert.Single(simulation.East.Noticed<IkeSaFailed>()).Error);
        AssertNothingLeft(simulation);
    }

    [Fact]
    public void The_responders_choice_of_key_exchange_is_followed()
    {
        Simulation simulation = Simulation.Connected(null, c => c with { IkeSuites = [CipherSuite.ParseIke("aes128gcm16-sha256-x25519-ecp256")] }, c => c with { IkeSuites = [CipherSuite.ParseIke("aes128gcm16-sha256-ecp256")] });
        Assert.Equal("up", simulation.West.Connection.State);
        Assert.Equal(KeyExchangeMethod.ECP_256, simulation.West.Connection.Suite!.KeyExchange);
        Assert.Equal(2, simulation.Count(ExchangeType.IKE_SA_INIT));
    }

    [Fact]
    public void A_responder_under_load_asks_for_a_cookie_first()
    {
        Simulation simulation = new Simulation(1, new CoreLimits { HalfOpenBeforeCookies = 0 }).Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal("up", simulation.West.Connection.State);
        Assert.Equal(1, simulation.East.Core.Counters["ike-cookies-sent"]);
        Assert.Equal(2, simulation.Count(ExchangeType.IKE_SA_INIT));
    }

    [Fact]
    public void Half_open_IKE_SAs_are_limited()
    {
        Simulation simulation = new Simulation(1, new CoreLimits { HalfOpenMaximum = 0 }).Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal("connecting", simulation.West.Connection.State);
        Assert.True(simulation.East.Core.Counters["ike-half-open-limit"] > 0);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Either_end_can_have_ESP_encapsulated_without_a_NAT(bool west, bool east)
    {
        Simulation simulation = Simulation.Connected(null, c => c with { ForceEncapsulation = west }, c => c with { ForceEncapsulation = east });
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.All(simulation.West.Installed.Concat(simulation.East.Installed), s => Assert.Equal(new UdpEncapsulation(4500, 4500), s.Encapsulation));
        Assert.All(simulation.Wire.Where(w => w.Datagram.Message.Span[18] != (byte)ExchangeType.IKE_SA_INIT), w => Assert.Equal((4500, 4500), (w.Datagram.Local.Port, w.Datagram.Remote.Port)));
        simulation.AssertConsistent();
    }

    [Fact]
    public void A_NAT_is_found_and_ESP_goes_through_it_in_UDP()
    {
        Simulation simulation = new Simulation { NatBeforeWest = true }.Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.All(simulation.East.Outbound, s => Assert.Equal(new UdpEncapsulation(4500, Simulation.NatPort(4500)), s.Encapsulation));
        Assert.All(simulation.West.Outbound, s => Assert.Equal(new UdpEncapsulation(4500, 4500), s.Encapsulation));
    }

    [Fact]
    public void A_peer_whose_NAT_mapping_moves_is_followed_by_its_next_request()
    {
        Simulation simulation = new Simulation { NatBeforeWest = true }.Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(10));
        simulation.NatShift = 7;
        simulation.West.Process(new CheckLiveness("lab"));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(Simulation.NatPort(4500) + 7, simulation.East.Connection.Remote!.Port);
    }

    [Theory]
    [InlineData("aes128gcm16-sha256-x25519", "aes128gcm16")]
    [InlineData("aes256gcm16-sha384-ecp384", "aes256gcm16-esn")]
    [InlineData("chacha20poly1305-sha512-x448", "chacha20poly1305-x25519")]
    [InlineData("aes128-sha256-ecp256", "aes128-sha256")]
    [InlineData("aes256-sha384-ecp521", "aes256-sha384-esn")]
    [InlineData("aes256-sha512-modp2048", "aes256-sha512-modp2048")]
    [InlineData("aes128gcm16-prfsha512-modp3072", "null-sha256")]
    [InlineData("aes128gcm16-sha256-modp4096", "aes128gcm16-ecp256-esn")]
    public void Every_suite_carries_a_tunnel_its_rekeying_and_its_end(string ike, string esp)
    {
        Simulation simulation = Simulation.Connected(c => c with { IkeSuites = [CipherSuite.ParseIke(ike)], EspSuites = [CipherSuite.ParseEsp(esp)], Cpus = [0, 1] });
        Assert.Equal(3, simulation.West.Children.Count);
        simulation.AssertConsistent();
        simulation.East.Process(new RekeyChild("lab", simulation.East.Children[1].Number));
        simulation.West.Process(new RekeyIke("lab"));
        simulation.Run(TimeSpan.FromSeconds(20));
        Assert.Single(simulation.West.Noticed<IkeSaRekeyed>());
        Assert.Single(simulation.West.Noticed<ChildSaRekeyed>());
        simulation.AssertConsistent();
        simulation.West.Process(new CloseConnection("lab", Forget: false));
        simulation.Run(TimeSpan.FromSeconds(5));
        AssertNothingLeft(simulation);
    }

    [Fact]
    public void Both_ends_that_initiate_at_once_settle_on_one_IKE_SA()
    {
        for (int seed = 1; seed <= 6; seed++)
        {
            Simulation simulation = new Simulation(seed).Configure();
            simulation.West.Process(new InitiateConnection("lab"));
            simulation.East.Process(new InitiateConnection("lab"));
            simulation.Run(TimeSpan.FromMinutes(2));
            Assert.Equal(simulation.West.Connection.InitiatorSpi, simulation.East.Connection.InitiatorSpi);
            Assert.Equal([0, 1, 2, 3], simulation.West.Children.Where(c => c.Cpu is not null).Select(c => c.Cpu!.Value).Order());
            simulation.AssertConsistent();
        }
    }

    [Fact]
    public void A_peer_that_starts_anew_replaces_what_it_had()
    {
        Simulation simulation = Simulation.Connected();
        simulation.West.Restart();
        simulation.West.Process(new AddConnection(Simulation.Connection(true)));
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(20));
        Assert.Equal("the peer has started anew", Assert.Single(simulation.East.Noticed<IkeSaClosed>()).Reason);
        Assert.Equal(5, simulation.East.Children.Count);
        simulation.AssertConsistent();
    }

    [Fact]
    public void A_dead_peer_is_found_and_a_connection_that_was_up_comes_back_with_it()
    {
        Simulation simulation = Simulation.Connected(c => c with { LivenessInterval = TimeSpan.FromSeconds(5), RetransmitGiveUp = TimeSpan.FromSeconds(10) });
        simulation.Filter = (_, _) => false;
        simulation.Run(TimeSpan.FromSeconds(60));
        Assert.Equal(PcpuIpsecError.PeerSilent, Assert.Single(simulation.West.Noticed<IkeSaClosed>()).Error);
        Assert.Empty(simulation.West.Installed);
        simulation.Filter = null;
        simulation.Run(TimeSpan.FromMinutes(3));
        Assert.Equal("up", simulation.West.Connection.State);
        Assert.Equal(5, simulation.West.Children.Count);
        simulation.AssertConsistent();
    }

    [Theory]
    [InlineData(nameof(GenerateKeyPair))]
    [InlineData(nameof(DeriveSharedSecret))]
    [InlineData(nameof(SignAuth))]
    [InlineData(nameof(VerifyAuth))]
    [InlineData(nameof(ReserveSpi))]
    [InlineData(nameof(InstallSa))]
    public void An_effect_that_fails_at_either_end_fails_the_exchange_and_leaves_nothing(string effect)
    {
        foreach (bool west in new[] { true, false })
        {
            Simulation simulation = new Simulation().Configure();
            (west ? simulation.West : simulation.East).FailRequests.Add(effect);
            simulation.West.Process(new InitiateConnection("lab"));
            simulation.Run(TimeSpan.FromSeconds(60));
            Assert.True(simulation.West.Noticed<IkeSaFailed>().Any() || simulation.West.Noticed<ChildSaFailed>().Any());
            AssertNothingLeft(simulation);
        }
    }

    [Fact]
    public void Closing_leaves_nothing_at_both_ends()
    {
        Simulation simulation = Simulation.Connected();
        simulation.West.Process(new CloseConnection("lab", Forget: false));
        simulation.Run(TimeSpan.FromSeconds(5));
        AssertNothingLeft(simulation);
        Assert.Null(Assert.Single(simulation.West.Noticed<IkeSaClosed>()).Error);
    }

    [Fact]
    public void A_connection_that_was_asked_for_comes_back_when_the_peer_deletes_it()
    {
        Simulation simulation = Simulation.Connected();
        simulation.East.Process(new CloseConnection("lab", Forget: false));
        Assert.True(simulation.RunUntil(() => simulation.West.Installed.Count == 0 && simulation.East.Installed.Count == 0, TimeSpan.FromSeconds(1)));
        simulation.Run(TimeSpan.FromSeconds(10));
        Assert.Equal(5, simulation.West.Children.Count);
        simulation.AssertConsistent();
    }

    [Fact]
    public void A_connection_that_cannot_come_up_is_not_tried_again_by_itself()
    {
        Simulation simulation = Simulation.Connected(null, c => c with { RemoteSelectors = [TrafficSelector.Parse("10.9.0.0/24")] });
        int sent = simulation.West.Sent;
        simulation.Run(TimeSpan.FromMinutes(10));
        Assert.Equal(sent, simulation.West.Sent);
    }

    [Fact]
    public void Closing_while_connecting_and_forgetting_leave_nothing()
    {
        Simulation simulation = new Simulation().Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromMilliseconds(3));
        simulation.West.Process(new CloseConnection("lab", Forget: true));
        simulation.Run(TimeSpan.FromSeconds(60));
        Assert.Empty(simulation.West.Core.Snapshot());
        Assert.Empty(simulation.West.Installed);
        Assert.Empty(simulation.East.Installed);
        Assert.Equal("down", simulation.East.Connection.State);
    }

    private static void AssertNothingLeft(Simulation simulation)
    {
        simulation.Filter = null;
        simulation.Run(TimeSpan.FromMinutes(2));
        foreach (SimulatedHost host in new[] { simulation.West, simulation.East })
        {
            Assert.Equal("down", host.Connection.State);
            Assert.Empty(host.Installed);
            Assert.Equal(0, host.ReservedSpis);
        }
    }
}
