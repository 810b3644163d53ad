using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>An authenticated peer, or one with the right key, that says what it must not.</summary>
public class HostilePeerTests
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    [Fact]
    public void An_honest_script_comes_up()
    {
        (Simulation simulation, _) = Connect(s => new ScriptedResponder(s));
        Assert.Single(simulation.West.Noticed<IkeSaEstablished>());
        Assert.Single(simulation.West.Children);
    }

    [Fact]
    public void Another_identity_with_the_right_key_is_refused()
        => AssertNotAuthenticated(Connect(s => new ScriptedResponder(s) { Identity = IkeIdentity.Parse("mallory") }));

    [Fact]
    public void An_AUTH_that_is_wrong_in_its_last_bit_is_refused()
        => AssertNotAuthenticated(Connect(s => new ScriptedResponder(s)
        {
            InAuth = p => p is AuthPayload auth ? auth with { Data = [.. auth.Data[..^1], (byte)(auth.Data[^1] ^ 1)] } : p,
        }));

    [Theory]
    [InlineData(PayloadType.TSi, "10.1.0.0/23")]
    [InlineData(PayloadType.TSr, "0.0.0.0/0")]
    internal void Selectors_wider_than_those_offered_are_refused(PayloadType type, string selector)
        => AssertFirstChildFails(PcpuIpsecError.TrafficSelectorsUnacceptable, p => p is TsPayload && p.Type == type ? new TsPayload(type, [TrafficSelector.Parse(selector)]) : p);

    [Fact]
    public void A_key_length_that_was_not_offered_is_refused()
        => AssertFirstChildFails(PcpuIpsecError.NoProposalChosen, p => p is SaPayload { Proposals: [var chosen] }
            ? new SaPayload([chosen with { Transforms = [.. chosen.Transforms.Select(t => t.Type == TransformType.ENCR ? t with { KeyBits = 256 } : t)] }])
            : p);

    [Fact]
    public void An_unknown_critical_payload_is_refused_by_its_type_and_the_IKE_SA_stays()
    {
        (Simulation simulation, ScriptedResponder peer) = Connect(s => new ScriptedResponder(s));
        peer.Ask(0, ExchangeType.INFORMATIONAL, new OpaquePayload((PayloadType)200, true, [1, 2, 3]));
        peer.Ask(1, ExchangeType.INFORMATIONAL, new OpaquePayload((PayloadType)201, false, [1, 2, 3]));
        simulation.Run(_second);
        NotifyPayload refusal = Assert.IsType<NotifyPayload>(peer.Responses[0].Payloads.Single(p => p is NotifyPayload { IsError: true }));
        Assert.Equal(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, refusal.Notify);
        Assert.Equal([200], refusal.Data);
        Assert.Empty(peer.Responses[1].Payloads);
        Assert.Empty(simulation.West.Noticed<IkeSaClosed>());
    }

    [Fact]
    public void A_request_is_handled_once_and_its_repetition_gets_the_same_bytes()
    {
        (Simulation simulation, ScriptedResponder peer) = Connect(s => new ScriptedResponder(s), c => c with { WindowSize = 4 });
        for (uint id = 0; id < 4; id++)
            peer.Ask(id, ExchangeType.INFORMATIONAL);
        simulation.Run(_second);
        Assert.Equal(4, peer.Responses.Count);

        // The whole window before the last one: the peer may not have any of these responses yet.
        peer.Ask(1, ExchangeType.INFORMATIONAL);
        peer.Ask(3, ExchangeType.INFORMATIONAL);
        simulation.Run(_second);
        Assert.Equal(6, peer.Responses.Count);
        Assert.Equal(peer.Responses.Single(r => r.Header.MessageId == 1 && r != peer.Responses[4]).Message, peer.Responses[4].Message);
        Assert.Equal([1u, 3u], peer.Responses.Skip(4).Select(r => r.Header.MessageId));
    }

    [Fact]
    public void A_request_beyond_our_window_is_not_answered()
    {
        (Simulation simulation, ScriptedResponder peer) = Connect(s => new ScriptedResponder(s), c => c with { WindowSize = 4 });
        peer.Ask(4, ExchangeType.INFORMATIONAL);
        peer.Ask(3, ExchangeType.INFORMATIONAL);
        simulation.Run(_second);
        Assert.Equal(3u, Assert.Single(peer.Responses).Header.MessageId);
    }

    [Fact]
    public void A_response_of_another_exchange_answers_nothing()
    {
        (Simulation simulation, ScriptedResponder peer) = Connect(s => new ScriptedResponder(s));
        peer.AnswerAs = _ => ExchangeType.CREATE_CHILD_SA;
        simulation.West.Process(new CheckLiveness("lab"));
        simulation.Run(_second);

        // Not taken, so the request is sent again.
        Assert.True(peer.Requests.Count(r => r.Header.Exchange == ExchangeType.INFORMATIONAL) >= 2);
        Assert.Single(peer.Requests.Select(r => r.Header.MessageId).Distinct());
    }

    private static (Simulation Simulation, ScriptedResponder Peer) Connect(Func<Simulation, ScriptedResponder> script, Func<IkeConnection, IkeConnection>? change = null)
    {
        Simulation simulation = new Simulation().Configure(c => (change ?? (x => x))(c with { PerCpu = false, Cpus = [], LivenessInterval = null }));
        ScriptedResponder peer = script(simulation);
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(_second);
        return (simulation, peer);
    }

    private static void AssertNotAuthenticated((Simulation Simulation, ScriptedResponder Peer) run)
    {
        Assert.Empty(run.Simulation.West.Noticed<IkeSaEstablished>());
        Assert.Equal(PcpuIpsecError.AuthenticationFailed, Assert.Single(run.Simulation.West.Noticed<IkeSaFailed>()).Error);
        Assert.Empty(run.Simulation.West.Installed);

        // §2.21.2: it believes that it is authenticated, so it is told.
        Assert.Contains(run.Peer.Requests, r => r.Payloads.Has(NotifyType.AUTHENTICATION_FAILED));
    }

    private static void AssertFirstChildFails(PcpuIpsecError error, Func<Payload, Payload> change)
    {
        (Simulation simulation, ScriptedResponder peer) = Connect(s => new ScriptedResponder(s) { InAuth = change });
        Assert.Equal(error, Assert.Single(simulation.West.Noticed<ChildSaFailed>()).Error);
        Assert.Empty(simulation.West.Installed);
        Assert.Contains(peer.Requests, r => r.Payloads.OfType<DeletePayload>().Any(d => d.Protocol == ProtocolId.IKE));
    }
}
