using System.Collections.Concurrent;
using System.Net;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Gateway;

/// <summary>A protocol that answers as the test says, and checks that it is never entered by two threads.</summary>
internal sealed class FakeCore : IGatewayCore
{
    public static readonly ChosenSuite Suite = new(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, Esn: true);

    private int _inside;

    public TimeSpan? NextDeadline { get; set; }

    public IReadOnlyDictionary<string, long> Counters { get; } = new Dictionary<string, long> { ["fake"] = 5 };

    public BlockingCollection<IkeEvent> Seen { get; } = [];

    public ConcurrentDictionary<string, ConnectionSnapshot> Connections { get; } = new();

    public Func<IkeEvent, IEnumerable<IkeEffect>> Answer { get; set; } = _ => [];

    public void Process(IkeEvent e, TimeSpan now, List<IkeEffect> effects)
    {
        Assert.Equal(1, Interlocked.Increment(ref _inside));
        try
        {
            switch (e)
            {
                case AddConnection add:
                    Connections[add.Connection.Name] = Snapshot(add.Connection.Name, "down");
                    break;
                case CloseConnection { Forget: true } close:
                    Connections.TryRemove(close.Connection, out _);
                    break;
                case TimePassed:
                    NextDeadline = null;
                    break;
            }
            effects.AddRange(Answer(e));
        }
        finally
        {
            Interlocked.Decrement(ref _inside);
            Seen.Add(e);
        }
    }

    public IReadOnlyList<ConnectionSnapshot> Snapshot() => [.. Connections.Values];

    public ConnectionSnapshot? Snapshot(string connection) => Connections.GetValueOrDefault(connection);

    /// <summary>The next event of a type, others skipped.</summary>
    public T Next<T>()
        where T : IkeEvent
    {
        while (Seen.TryTake(out IkeEvent? e, TimeSpan.FromSeconds(10)))
        {
            if (e is T wanted)
                return wanted;
        }
        throw new TimeoutException($"no {typeof(T).Name} within 10 s");
    }

    public static ConnectionSnapshot Snapshot(string name, string state, params ChildSaInfo[] children)
        => new(name, state, state == "down" ? 0u : 1u, state == "up" ? 2u : 0u, true, null, null, null, children.Any(c => c.Cpu is not null), children);

    public static ChildSaInfo Child(int number, uint inbound, int? cpu = null, bool fallback = false, bool outbound = true) => new()
    {
        Number = number,
        InboundSpi = inbound,
        OutboundSpi = inbound + 1,
        Cpu = cpu,
        IsFallback = fallback,
        OutboundInstalled = outbound,
        InitiatedByUs = true,
        Mode = IpsecMode.Tunnel,
        Suite = Suite,
        LocalSelectors = [TrafficSelector.Parse("192.0.1.0/24")],
        RemoteSelectors = [TrafficSelector.Parse("192.0.2.0/24")],
    };

    public static IkeSaEstablished Established(string name)
        => new(name, 1, 2, true, new IPEndPoint(IPAddress.Loopback, 500), new IPEndPoint(IPAddress.Loopback, 500), Suite with { Prf = PseudorandomFunction.PRF_HMAC_SHA2_256, KeyExchange = KeyExchangeMethod.CURVE25519 }, false, 1);
}
