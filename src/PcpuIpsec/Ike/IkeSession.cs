namespace PcpuIpsec.Ike;

/// <summary>
/// One authenticated relation with a peer: the IKE SA, those that replace it when it is rekeyed (RFC 7296 §2.18), and
/// the Child SAs, which a rekey hands on as they are.
/// </summary>
internal sealed class IkeSession(IkeSa first)
{
    private Func<int>? _nextNumber;

    /// <summary>The IKE SA that carries new exchanges.</summary>
    public IkeSa Current { get; set; } = first;

    /// <summary>Whether we made the first IKE SA; rekeys do not change it.</summary>
    public bool InitiatedByUs { get; } = first.IsInitiator;

    /// <summary>Both ends announced SA_RESOURCE_INFO (RFC 9611 §3).</summary>
    public bool PerResource { get; set; }

    /// <summary>The peer knows it no more (INITIAL_CONTACT, RFC 7296 §2.4).</summary>
    public bool ForgottenByPeer { get; set; }

    /// <summary>The Child SA of the peer's IKE_AUTH, until a request shows that it has our response.</summary>
    public ChildSa? Unconfirmed { get; set; }

    public TimeSpan? EstablishedAt { get; set; }

    /// <summary>What the first IKE SA took from IKE_SA_INIT, sent or received, on.</summary>
    public TimeSpan SetupTime { get; set; }

    public bool Closed { get; set; }

    /// <summary>Another session's fallback took over: its outbound halves are out of the data plane.</summary>
    public bool LeftOut { get; set; }

    public List<ChildSa> Children { get; } = [];

    /// <summary>True while the IKE SA is being rekeyed by us.</summary>
    public bool RekeyingByUs { get; set; }

    public IkeTimer? RekeyTimer { get; set; }

    /// <summary>Child SAs that are being made or rekeyed by us at the moment.</summary>
    public int CreationsUnderWay { get; private set; }

    /// <summary>
    /// Outbound SPIs that the peer deleted before the response that brings them reached us: with several requests in
    /// flight, or one response lost, its Delete overtakes it.
    /// </summary>
    public HashSet<uint> DeletedAhead { get; } = [];

    public void BeginCreation() => CreationsUnderWay++;

    public void EndCreation()
    {
        if (--CreationsUnderWay == 0)
            DeletedAhead.Clear();
    }

    /// <summary>The initiator's SPI of the first IKE SA.</summary>
    public ulong FirstSpiI { get; } = first.SpiI;

    /// <summary>Where the numbers of Child SAs come from.</summary>
    public void SetNumbers(Func<int> next) => _nextNumber = next;

    public int NextNumber() => _nextNumber!();

    /// <summary>The numbers of the Child SAs that the gateway was told of.</summary>
    public HashSet<int> Up { get; } = [];

    public IEnumerable<ChildSa> Live => Children.Where(c => c.State == ChildSaState.Live);

    public ChildSa? FindLive(int number) => Children.LastOrDefault(c => c.Number == number && c.State == ChildSaState.Live);

    public ChildSa? FindByInbound(uint spi) => Children.FirstOrDefault(c => c.InboundSpi == spi && c.State != ChildSaState.Gone);

    public ChildSa? FindByOutbound(uint spi) => Children.FirstOrDefault(c => c.OutboundSpi == spi && c.State != ChildSaState.Gone);

    /// <summary>The Child SA that says what properties the group has.</summary>
    public ChildSa? Model => Live.FirstOrDefault(c => c.IsFallback) ?? Live.FirstOrDefault();
}
