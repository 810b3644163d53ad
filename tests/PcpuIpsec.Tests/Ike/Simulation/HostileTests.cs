using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>What a hostile network or peer sends: dropped and counted, or refused, and nothing else happens.</summary>
public class HostileTests
{
    private static readonly IPEndPoint _westIke = new(IPAddress.Parse("10.0.0.1"), 500);
    private static readonly IPEndPoint _eastIke = new(IPAddress.Parse("10.0.0.2"), 500);

    [Fact]
    public void Replayed_messages_change_nothing_and_get_the_same_response()
    {
        Simulation simulation = Simulation.Connected();
        (SimulatedHost From, SendDatagram Datagram)[] wire = [.. simulation.Wire];
        uint[] before = [.. simulation.West.Installed.Select(s => s.Spi)];
        foreach ((SimulatedHost from, SendDatagram datagram) in wire)
            (from == simulation.West ? simulation.East : simulation.West).Process(new DatagramReceived(datagram.Remote, datagram.Local, datagram.Message.ToArray()));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(before, simulation.West.Installed.Select(s => s.Spi));
        Assert.Equal(5, simulation.East.Children.Count);
        simulation.AssertConsistent();
    }

    [Fact]
    public void Reflected_messages_are_not_authentic()
    {
        Simulation simulation = Simulation.Connected();
        foreach ((SimulatedHost from, SendDatagram datagram) in simulation.Wire.ToArray())
            from.Process(new DatagramReceived(datagram.Local, datagram.Remote, datagram.Message.ToArray()));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.NotEmpty(simulation.West.Core.Counters);
        simulation.AssertConsistent();
    }

    [Fact]
    public void Changed_messages_are_dropped_and_counted()
    {
        Simulation simulation = Simulation.Connected();
        Random random = new(3);
        foreach ((SimulatedHost from, SendDatagram datagram) in simulation.Wire.ToArray())
        {
            for (int i = 0; i < 40; i++)
            {
                byte[] message = datagram.Message.ToArray();
                message[random.Next(message.Length)] ^= (byte)(1 << random.Next(8));
                (from == simulation.West ? simulation.East : simulation.West).Process(new DatagramReceived(datagram.Remote, datagram.Local, message));
            }
        }
        simulation.Run(TimeSpan.FromSeconds(60));
        Assert.Equal(5, simulation.West.Children.Count);
        Assert.True(simulation.East.Core.Counters["ike-not-authentic"] > 0);
        Assert.True(simulation.East.Core.Counters["ike-malformed"] > 0);
        simulation.AssertConsistent();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(27)]
    [InlineData(28)]
    [InlineData(1500)]
    public void Garbage_is_dropped(int length)
    {
        Simulation simulation = Simulation.Connected();
        Random random = new(length);
        for (int i = 0; i < 300; i++)
        {
            byte[] message = new byte[length];
            random.NextBytes(message);
            if (length >= 28 && i % 2 == 0)
            {
                // A right length and version, so that it gets further in.
                (message[17], message[24], message[25], message[26], message[27]) = (0x20, 0, 0, (byte)(length >> 8), (byte)length);
                message[18] = (byte)(34 + random.Next(4));
            }
            simulation.East.Process(new DatagramReceived(_eastIke, _westIke, message));
        }
        simulation.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(5, simulation.East.Children.Count);
        Assert.Equal(300, simulation.East.Core.Counters.Values.Sum());
    }

    [Fact]
    public void An_IKE_SA_INIT_from_nowhere_known_or_of_another_version_is_dropped()
    {
        Simulation simulation = new Simulation().Configure();
        byte[] init = IkeMessage.BuildClear(1, 0, ExchangeType.IKE_SA_INIT, IkeFlags.Initiator, 0, [new NoncePayload(new byte[32])]);
        simulation.East.Process(new DatagramReceived(_eastIke, new IPEndPoint(IPAddress.Parse("192.0.2.1"), 500), init));
        simulation.East.Process(new DatagramReceived(_eastIke, _westIke, init));
        byte[] version = [.. init];
        version[17] = 0x30;
        simulation.East.Process(new DatagramReceived(_eastIke, _westIke, version));
        byte[] wrongId = IkeMessage.BuildClear(1, 0, ExchangeType.IKE_SA_INIT, IkeFlags.Initiator, 5, [new NoncePayload(new byte[32])]);
        simulation.East.Process(new DatagramReceived(_eastIke, _westIke, wrongId));
        Assert.Equal(1, simulation.East.Core.Counters["ike-no-connection"]);
        Assert.Equal(1, simulation.East.Core.Counters["ike-major-version"]);
        Assert.Equal(2, simulation.East.Core.Counters["ike-malformed"]);
        Assert.Equal(0, simulation.East.Sent);
    }

    [Fact]
    public void An_unknown_critical_payload_in_IKE_SA_INIT_is_named_in_the_refusal()
    {
        Simulation simulation = new Simulation().Configure();
        byte[] init = IkeMessage.BuildClear(1, 0, ExchangeType.IKE_SA_INIT, IkeFlags.Initiator, 0, [new OpaquePayload((PayloadType)200, true, [1, 2, 3])]);
        simulation.East.Process(new DatagramReceived(_eastIke, _westIke, init));
        Assert.True(IkeMessage.TryParseClear(simulation.Wire[^1].Datagram.Message.Span, out _, out IReadOnlyList<Payload> payloads, out _));
        NotifyPayload notify = Assert.IsType<NotifyPayload>(payloads[0]);
        Assert.Equal((NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, 200), (notify.Notify, notify.Data[0]));
    }

    [Fact]
    public void A_flood_of_spoofed_IKE_SA_INITs_keeps_no_more_state_than_allowed_and_a_real_peer_still_connects()
    {
        Simulation simulation = new Simulation().Configure(c => c with { Cpus = [0] });
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromMilliseconds(2));
        byte[] init = simulation.Wire[0].Datagram.Message.ToArray();
        for (int i = 0; i < 400; i++)
        {
            byte[] spoofed = [.. init];
            BitConverter.TryWriteBytes(spoofed, (long)(i + 1));
            simulation.East.Process(new DatagramReceived(_eastIke, _westIke, spoofed));
        }
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Equal("up", simulation.West.Connection.State);
        Assert.InRange(simulation.East.Core.Counters["ike-cookies-sent"], 300, 310);
        simulation.Run(TimeSpan.FromMinutes(2));
        Assert.InRange(simulation.East.Core.IkeSaCount, 1, 2);
    }

    [Fact]
    public void A_cookie_is_taken_for_its_own_request_only()
    {
        Simulation simulation = new Simulation(1, new CoreLimits { HalfOpenBeforeCookies = 0 }).Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(2));
        byte[] withCookie = simulation.Wire.Where(w => w.From == simulation.West && w.Datagram.Message.Span[18] == 34).Last().Datagram.Message.ToArray();
        long sent = simulation.East.Core.Counters["ike-cookies-sent"];
        BitConverter.TryWriteBytes(withCookie, 77L);
        simulation.East.Process(new DatagramReceived(_eastIke, _westIke, withCookie));
        Assert.Equal(sent + 1, simulation.East.Core.Counters["ike-cookies-sent"]);
    }

    [Fact]
    public void A_forged_request_with_a_fresh_message_id_and_no_SK_payload_kills_nothing()
    {
        Simulation simulation = Simulation.Connected();
        (ulong i, ulong r) = (simulation.West.Connection.InitiatorSpi, simulation.West.Connection.ResponderSpi);
        for (uint id = 0; id < 40; id++)
        {
            byte[] forged = IkeMessage.BuildClear(i, r, ExchangeType.INFORMATIONAL, IkeFlags.Initiator, id, []);
            simulation.East.Process(new DatagramReceived(_eastIke, _westIke, forged));
        }
        simulation.Run(TimeSpan.FromSeconds(1));
        Assert.Equal("up", simulation.East.Connection.State);
        Assert.Equal(5, simulation.East.Children.Count);
        simulation.West.Process(new RekeyChild("lab", simulation.West.Children[0].Number));
        simulation.Run(TimeSpan.FromSeconds(5));
        simulation.AssertConsistent();
    }

    [Fact]
    public void Key_exchanges_of_the_wrong_length_cost_no_state()
    {
        Simulation simulation = new Simulation().Configure();
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromMilliseconds(3));
        Assert.True(IkeMessage.TryParseClear(simulation.Wire[0].Datagram.Message.Span, out _, out IReadOnlyList<Payload> payloads, out _));
        Payload[] shortened = [.. payloads.Select(p => p is KePayload ke ? ke with { Data = ke.Data[..^1] } : p)];
        for (ulong spi = 1; spi <= 300; spi++)
            simulation.East.Process(new DatagramReceived(_eastIke, _westIke, IkeMessage.BuildClear(spi, 0, ExchangeType.IKE_SA_INIT, IkeFlags.Initiator, 0, shortened)));
        Assert.InRange(simulation.East.Core.IkeSaCount, 0, 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_Child_SA_that_one_end_cannot_install_is_not_kept_by_the_other(bool west)
    {
        Simulation simulation = Simulation.Connected(c => c with { OnDemand = true });
        (west ? simulation.West : simulation.East).FailRequests.Add(nameof(InstallSa));
        simulation.West.Process(new Acquire("lab", 1, TrafficSelector.Parse("10.1.0.1"), TrafficSelector.Parse("10.2.0.1")));
        simulation.Run(TimeSpan.FromSeconds(5));
        Assert.Single(simulation.West.Children);
        Assert.Single(simulation.East.Children);
        simulation.AssertConsistent();
    }
}
