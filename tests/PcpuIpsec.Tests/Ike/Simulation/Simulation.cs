using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>Two gateways, west and east, and the network between them, in virtual time and from one seed.</summary>
internal sealed class Simulation
{
    private readonly PriorityQueue<Action, (TimeSpan Due, long Order)> _queue = new();
    private readonly Random _random;
    private long _order;

    public Simulation(int seed = 1, CoreLimits? limits = null)
    {
        _random = new Random(seed);
        West = new SimulatedHost(this, "west", "10.0.0.1", seed * 2 + 1) { Limits = limits ?? new CoreLimits() };
        East = new SimulatedHost(this, "east", "10.0.0.2", seed * 2 + 2) { Limits = limits ?? new CoreLimits() };
        West.Restart();
        East.Restart();
    }

    public TimeSpan Now { get; private set; }
    public SimulatedHost West { get; }
    public SimulatedHost East { get; }

    /// <summary>Chance of loss and of duplication of a datagram, 0 to 1.</summary>
    public double Loss { get; set; }
    public double Duplication { get; set; }
    public TimeSpan MinDelay { get; set; } = TimeSpan.FromMilliseconds(5);
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The longest that a request of the core takes; 0 answers at once, but never within the call that asks.</summary>
    public TimeSpan MaxRequestDelay { get; set; } = TimeSpan.FromMilliseconds(1);

    /// <summary>Sees every datagram; false drops it.</summary>
    public Func<SimulatedHost, SendDatagram, bool>? Filter { get; set; }
    public List<(SimulatedHost From, SendDatagram Datagram)> Wire { get; } = [];

    public static IkeConnection Connection(bool west, Func<IkeConnection, IkeConnection>? change = null)
    {
        TrafficSelector westNet = TrafficSelector.Parse("10.1.0.0/24");
        TrafficSelector eastNet = TrafficSelector.Parse("10.2.0.0/24");
        IkeConnection connection = new()
        {
            Name = "lab",
            LocalAddress = IPAddress.Parse(west ? "10.0.0.1" : "10.0.0.2"),
            RemoteAddress = IPAddress.Parse(west ? "10.0.0.2" : "10.0.0.1"),
            LocalId = IkeIdentity.Parse(west ? "west" : "east"),
            RemoteId = IkeIdentity.Parse(west ? "east" : "west"),
            IkeSuites = [CipherSuite.ParseIke("aes128gcm16-sha256-x25519")],
            EspSuites = [CipherSuite.ParseEsp("aes128gcm16-esn")],
            LocalSelectors = [west ? westNet : eastNet],
            RemoteSelectors = [west ? eastNet : westNet],
            PerCpu = true,
            Cpus = [0, 1, 2, 3],
            MaxChildSas = 8,
            ChildRekeyTime = null,
            IkeRekeyTime = null,
        };
        return change is null ? connection : change(connection);
    }

    /// <summary>Both know the connection; nobody has begun.</summary>
    public Simulation Configure(Func<IkeConnection, IkeConnection>? both = null, Func<IkeConnection, IkeConnection>? west = null, Func<IkeConnection, IkeConnection>? east = null)
    {
        both ??= c => c;
        West.Process(new AddConnection((west ?? (c => c))(Connection(true, both))));
        East.Process(new AddConnection((east ?? (c => c))(Connection(false, both))));
        return this;
    }

    /// <summary>Configures, initiates from west and runs until it is quiet.</summary>
    public static Simulation Connected(Func<IkeConnection, IkeConnection>? both = null, Func<IkeConnection, IkeConnection>? west = null, Func<IkeConnection, IkeConnection>? east = null, int seed = 1)
    {
        Simulation simulation = new Simulation(seed).Configure(both, west, east);
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(10));
        return simulation;
    }

    public TimeSpan RequestDelay() => MaxRequestDelay * _random.NextDouble();

    public void After(TimeSpan delay, Action action) => _queue.Enqueue(action, (Now + delay, _order++));

    public void Send(SimulatedHost from, SendDatagram datagram)
    {
        Wire.Add((from, datagram));
        if (Filter is not null && !Filter(from, datagram))
            return;
        int copies = _random.NextDouble() < Loss ? 0 : _random.NextDouble() < Duplication ? 2 : 1;
        for (int i = 0; i < copies; i++)
        {
            SimulatedHost to = from == West ? East : West;
            if (NatBeforeWest && from == East && datagram.Remote.Port != NatPort(500) + NatShift && datagram.Remote.Port != NatPort(4500) + NatShift)
                continue;
            DatagramReceived received = new(OutsideToInside(datagram.Remote, from), InsideToOutside(datagram.Local, from), datagram.Message.ToArray());
            After(MinDelay + (MaxDelay - MinDelay) * _random.NextDouble(), () => to.Process(received));
        }
    }

    /// <summary>Puts a NAT before west: its ports are others outside, moved by the shift.</summary>
    public bool NatBeforeWest { get; set; }
    public int NatShift { get; set; }

    public static ushort NatPort(int inside) => (ushort)(inside + 10000);

    private IPEndPoint InsideToOutside(IPEndPoint source, SimulatedHost from)
        => NatBeforeWest && from == West ? new IPEndPoint(source.Address, NatPort(source.Port) + NatShift) : source;

    private IPEndPoint OutsideToInside(IPEndPoint destination, SimulatedHost from)
        => NatBeforeWest && from == East ? new IPEndPoint(destination.Address, destination.Port - 10000 - NatShift) : destination;

    /// <summary>Lets time pass.</summary>
    public void Run(TimeSpan time) => RunUntil(() => false, time);

    /// <summary>Runs until the condition holds or the time is over; says whether it held.</summary>
    public bool RunUntil(Func<bool> condition, TimeSpan limit)
    {
        TimeSpan end = Now + limit;
        for (int steps = 0; steps < 1_000_000; steps++)
        {
            if (condition())
                return true;
            TimeSpan next = end;
            if (_queue.TryPeek(out _, out (TimeSpan Due, long) first) && first.Due < next)
                next = first.Due;
            foreach (SimulatedHost host in new[] { West, East })
            {
                if (host.Core.NextDeadline is { } deadline && deadline < next)
                    next = deadline;
            }
            if (next >= end)
            {
                Now = end;
                return condition();
            }
            Now = next > Now ? next : Now;
            while (_queue.TryPeek(out _, out first) && first.Due <= Now)
                _queue.Dequeue()();
            foreach (SimulatedHost host in new[] { West, East })
            {
                if (host.Core.NextDeadline <= Now)
                    host.Process(new TimePassed());
            }
        }
        throw new InvalidOperationException("The simulation does not come to rest.");
    }

    /// <summary>What must hold once all is quiet: both ends hold the same live SAs, with the same keys, and no key was used twice.</summary>
    public void AssertConsistent()
    {
        Assert.Empty(West.KeyReuse);
        Assert.Empty(East.KeyReuse);
        Assert.Equal(Pairs(West, own: true), Pairs(East, own: false));
        foreach ((SimulatedHost host, SimulatedHost peer) in new[] { (West, East), (East, West) })
        {
            foreach (SaInstallation sa in host.Outbound)
            {
                SaInstallation other = Assert.Single(peer.Inbound, s => s.Spi == sa.Spi);
                Assert.True(sa.EncryptionKey.Span.SequenceEqual(other.EncryptionKey.Span), "the keys of the two ends differ");
                Assert.True(sa.IntegrityKey.Span.SequenceEqual(other.IntegrityKey.Span), "the integrity keys of the two ends differ");
                Assert.True(other.Encapsulation is { SourcePort: 0 } || sa.Encapsulation?.SourcePort == other.Encapsulation?.SourcePort);
                Assert.Equal(sa.Encapsulation?.DestinationPort, other.Encapsulation?.DestinationPort);
            }
            Assert.Equal(host.Children.Select(c => c.InboundSpi).Order(), host.Inbound.Select(s => s.Spi).Order());
            Assert.Equal(host.Children.Where(c => c.OutboundInstalled).Select(c => c.OutboundSpi).Order(), host.Outbound.Select(s => s.Spi).Order());
        }
    }

    /// <summary>How many exchanges of a kind were sent, by the clear part of the header; retransmissions included.</summary>
    public int Count(ExchangeType exchange, bool responses = false)
        => Wire.Count(w => w.Datagram.Message.Span[18] == (byte)exchange && (w.Datagram.Message.Span[19] & (byte)IkeFlags.Response) != 0 == responses);

    /// <summary>What both ends reported, in order, for a person who looks for the cause.</summary>
    public void Trace()
    {
        var all = West.Notices.Select(n => (n.At, West.Name, n.Notice)).Concat(East.Notices.Select(n => (n.At, East.Name, n.Notice))).OrderBy(n => n.At);
        foreach ((TimeSpan at, string host, IkeNotice notice) in all)
            Console.WriteLine($"{at.TotalSeconds,8:0.000} {host} {Describe(notice)}");
    }

    private static string Describe(IkeNotice notice) => notice switch
    {
        ChildSaEstablished n => $"child up {Describe(n.Child)}",
        ChildSaRekeyed n => $"child rekeyed {Describe(n.Child)}",
        ChildSaChanged n => $"child changed {Describe(n.Child)}",
        ChildSaClosed n => $"child closed {Describe(n.Child)} byPeer={n.ByPeer} {n.Reason}",
        ChildSaFailed n => $"child failed cpu={n.Cpu} {n.Reason}",
        ChildSaRekeyFailed n => $"child rekey failed {Describe(n.Child)} to={n.NewCpu} {n.Reason}",
        IkeSaEstablished n => $"ike up {n.InitiatorSpi:x16} initiator={n.IsInitiator}",
        IkeSaRekeyed n => $"ike rekeyed {n.InitiatorSpi:x16}",
        IkeSaClosed n => $"ike closed {n.InitiatorSpi:x16} {n.Error} {n.Reason}",
        IkeSaFailed n => $"ike failed {n.Error} {n.Reason}",
        IkeStep n => n.Text,
        _ => notice.ToString(),
    };

    private static string Describe(ChildSaInfo c) => $"#{c.Number} in={c.InboundSpi:x8} out={c.OutboundSpi:x8} cpu={c.Cpu} fallback={c.IsFallback} outbound={c.OutboundInstalled} ours={c.InitiatedByUs}";

    private static (uint, uint)[] Pairs(SimulatedHost host, bool own)
        => [.. host.Children.Select(c => own ? (c.InboundSpi, c.OutboundSpi) : (c.OutboundSpi, c.InboundSpi)).Order()];
}
