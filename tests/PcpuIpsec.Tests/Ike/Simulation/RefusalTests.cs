using System.Buffers.Binary;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>What one gateway refuses the other, or gives up.</summary>
public class RefusalTests
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Responder_establishes_nothing_with_an_initiator_that_has_another_key()
    {
        Simulation simulation = new Simulation().Configure();
        simulation.West.Psk = "another secret";
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(10 * _second);
        foreach (SimulatedHost host in new[] { simulation.West, simulation.East })
        {
            Assert.Empty(host.Noticed<IkeSaEstablished>());
            Assert.Contains(host.Noticed<IkeSaFailed>(), f => f.Error == PcpuIpsecError.AuthenticationFailed);
            Assert.Empty(host.Installed);
        }
    }

    [Fact]
    public void Responder_establishes_nothing_with_an_initiator_of_another_name()
    {
        Simulation simulation = new Simulation().Configure(west: c => c with { LocalId = IkeIdentity.Parse("mallory") });
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(10 * _second);
        Assert.Empty(simulation.East.Noticed<IkeSaEstablished>());
        Assert.Empty(simulation.West.Noticed<IkeSaEstablished>());
        Assert.Contains(simulation.West.Noticed<IkeSaFailed>(), f => f.Error == PcpuIpsecError.AuthenticationFailed);
    }

    [Fact]
    public void Responder_at_its_limit_answers_TS_MAX_QUEUE_and_keeps_the_IKE_SA()
    {
        Simulation simulation = Simulation.Connected(east: c => c with { MaxChildSas = 2 });
        Assert.Equal(3, simulation.East.Children.Count);
        ChildSaFailed[] refused = [.. simulation.West.Noticed<ChildSaFailed>()];
        Assert.Equal(2, refused.Length);
        Assert.All(refused, f => Assert.Equal(NotifyType.TS_MAX_QUEUE, f.Notify));
        Assert.Equal("up", simulation.West.Connection.State);
        int sent = simulation.Count(ExchangeType.CREATE_CHILD_SA);
        simulation.Run(600 * _second);
        Assert.Equal(sent, simulation.Count(ExchangeType.CREATE_CHILD_SA));

        // A rekey is no new one: it is never refused so.
        simulation.West.Process(new RekeyChild("lab", simulation.West.Children.First(c => c.Cpu is not null).Number));
        simulation.Run(5 * _second);
        Assert.Single(simulation.West.Noticed<ChildSaRekeyed>());
        simulation.AssertConsistent();
    }

    [Fact]
    public void Silence_ends_the_IKE_SA_when_retransmission_gives_up()
    {
        Simulation simulation = Simulation.Connected();
        simulation.Filter = (_, _) => false;
        simulation.West.Process(new CheckLiveness("lab"));
        TimeSpan asked = simulation.Now;
        Assert.True(simulation.RunUntil(() => simulation.West.Noticed<IkeSaClosed>().Any(), 60 * _second));
        Assert.InRange(simulation.Now - asked, 25 * _second, 26 * _second);
        Assert.Equal(PcpuIpsecError.PeerSilent, simulation.West.Noticed<IkeSaClosed>().Single().Error);
        Assert.Empty(simulation.West.Installed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(16)]
    public void No_more_requests_are_in_flight_than_the_peer_announced_to_take(int window)
    {
        Simulation simulation = new Simulation().Configure(c => c with { Cpus = [.. Enumerable.Range(0, 12)], MaxChildSas = 24 }, east: c => c with { WindowSize = window });
        HashSet<uint> unanswered = [];
        int most = 0;
        simulation.Filter = (from, sent) =>
        {
            ReadOnlySpan<byte> message = sent.Message.Span;
            uint id = BinaryPrimitives.ReadUInt32BigEndian(message[20..]);
            bool response = (message[19] & (byte)IkeFlags.Response) != 0;
            if (from == simulation.West && !response)
            {
                unanswered.Add(id);
                most = Math.Max(most, unanswered.Count);
                Assert.True(id - unanswered.Min() < window, $"message {id} was sent while {unanswered.Min()} was not answered");
            }
            else if (from == simulation.East && response)
            {
                unanswered.Remove(id);
            }

            return true;
        };
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(10 * _second);
        Assert.Equal(13, simulation.West.Children.Count);
        Assert.Equal(Math.Min(window, 12), most);
    }

    [Fact]
    public void No_IV_is_used_twice_by_one_end_of_one_IKE_SA()
    {
        Simulation simulation = Simulation.Connected();
        simulation.West.Process(new RekeyIke("lab"));
        simulation.Run(5 * _second);
        Dictionary<string, string> seen = [];
        foreach ((SimulatedHost from, SendDatagram sent) in simulation.Wire)
        {
            ReadOnlySpan<byte> message = sent.Message.Span;
            if (message[18] == (byte)ExchangeType.IKE_SA_INIT)
                continue;
            string iv = $"{from.Name} {Convert.ToHexString(message[..16])} {Convert.ToHexString(message[32..40])}";
            string bytes = Convert.ToHexString(message);
            Assert.True(seen.TryAdd(iv, bytes) || seen[iv] == bytes, $"{iv}: for two messages");
        }

        Assert.True(seen.Count > 10);
    }

    [Fact]
    public void Both_ends_encapsulate_where_one_of_them_asks_for_it()
    {
        foreach (bool west in new[] { true, false })
        {
            IkeConnection Force(IkeConnection c) => c with { ForceEncapsulation = true };
            Simulation simulation = Simulation.Connected(west: west ? Force : null, east: west ? null : Force);
            Assert.NotEmpty(simulation.West.Outbound);
            Assert.All(simulation.West.Installed.Concat(simulation.East.Installed), sa => Assert.NotNull(sa.Encapsulation));
            simulation.AssertConsistent();
        }
    }

    [Fact]
    public void Child_SA_that_is_being_closed_is_not_rekeyed_for_the_peer()
    {
        Simulation simulation = Simulation.Connected(both: c => c with { OnDemand = true });
        simulation.West.Process(new Acquire("lab", 1, TrafficSelector.Parse("10.1.0.7/32"), TrafficSelector.Parse("10.2.0.7/32")));
        simulation.Run(_second);
        ChildSaInfo ours = simulation.West.Children.Single(c => c.Cpu == 1);
        ChildSaInfo theirs = simulation.East.Children.Single(c => c.InboundSpi == ours.OutboundSpi);
        simulation.East.Process(new RekeyChild("lab", theirs.Number));
        simulation.West.Process(new CloseChild("lab", ours.Number));
        simulation.Run(10 * _second);
        Assert.DoesNotContain(simulation.West.Children, c => c.Number == ours.Number);
        Assert.DoesNotContain(simulation.East.Children, c => c.Number == theirs.Number);
        Assert.Empty(simulation.West.Noticed<ChildSaRekeyed>());
        simulation.AssertConsistent();
    }
}
