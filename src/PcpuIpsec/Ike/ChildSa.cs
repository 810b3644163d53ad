using System.Net;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike;

/// <summary>Where a Child SA stands.</summary>
internal enum ChildSaState
{
    /// <summary>Carries traffic, or could.</summary>
    Live,

    /// <summary>Another took its place (§2.8); whoever made that one deletes this.</summary>
    Rekeyed,

    /// <summary>Our Delete is under way.</summary>
    Closing,

    /// <summary>Deleted; only stragglers may still arrive on the inbound half.</summary>
    Gone,
}

/// <summary>The nonces of the exchange that made an SA, for the comparison of RFC 7296 §2.8.1.</summary>
internal sealed record ExchangeNonces(byte[] Ni, byte[] Nr)
{
    /// <summary>True where the lowest of the four nonces is of this exchange: then its SA is the one that goes.</summary>
    public bool LosesAgainst(ExchangeNonces other) => Lowest.AsSpan().SequenceCompareTo(other.Lowest) < 0;

    private byte[] Lowest => Ni.AsSpan().SequenceCompareTo(Nr) <= 0 ? Ni : Nr;
}

/// <summary>A pair of ESP SAs (RFC 7296 §1.3) as the protocol keeps it.</summary>
internal sealed class ChildSa(int number, ChildSaTerms terms, bool initiatedByUs)
{
    private SaInstallation? _outbound;

    /// <summary>Stays the same when the SA is rekeyed.</summary>
    public int Number { get; } = number;

    public ChildSaTerms Terms { get; } = terms;

    public uint InboundSpi => Terms.InboundSpi;

    public uint OutboundSpi => Terms.OutboundSpi;

    public int? Cpu { get; set; } = terms.Cpu;

    public bool IsFallback => Terms.IsFallback;

    public bool InitiatedByUs { get; } = initiatedByUs;

    public ChildSaState State { get; set; } = ChildSaState.Live;

    public bool OutboundInstalled { get; set; }

    /// <summary>
    /// The outbound half as it will be installed; null once it was. It is handed out once: installing the same key twice
    /// would start its sequence numbers, and so its nonces, again.
    /// </summary>
    public SaInstallation? TakeOutbound()
    {
        SaInstallation? outbound = _outbound;
        _outbound = null;
        return outbound;
    }

    public bool OutboundWaits => _outbound is not null;

    /// <summary>Where the outbound half's packets go; the port is 0 without encapsulation.</summary>
    public IPEndPoint? Remote { get; set; }

    public bool Encapsulated { get; private set; }

    public void KeepOutbound(SaInstallation outbound)
    {
        _outbound = outbound;
        Remote = new IPEndPoint(outbound.Destination, outbound.Encapsulation?.DestinationPort ?? 0);
        Encapsulated = outbound.Encapsulation is not null;
    }

    /// <summary>The peer is elsewhere: an outbound half that waits goes there too.</summary>
    public void MoveTo(IPEndPoint remote)
    {
        Remote = remote;
        if (_outbound is { Encapsulation: { } encapsulation })
            _outbound = _outbound with { Destination = remote.Address, Encapsulation = encapsulation with { DestinationPort = (ushort)remote.Port } };
    }

    /// <summary>The gateway was told of it.</summary>
    public bool Announced { get; set; }

    /// <summary>The Child SA whose place this one takes.</summary>
    public ChildSa? Replaces { get; init; }

    /// <summary>The nonces of the CREATE_CHILD_SA that made it; null for that of IKE_AUTH.</summary>
    public ExchangeNonces? Nonces { get; set; }

    /// <summary>A rekeying of this SA that we have begun is not finished.</summary>
    public bool RekeyingByUs { get; set; }

    /// <summary>A rekeying of this SA that the peer asked for is not answered.</summary>
    public bool RekeyingByPeer { get; set; }

    /// <summary>What our rekeying made.</summary>
    public ChildSa? OurSuccessor { get; set; }

    /// <summary>What the peer's rekeying made.</summary>
    public ChildSa? PeerSuccessor { get; set; }

    /// <summary>Its outbound half is left out: every CPU here has one of its own (RFC 9611 §3).</summary>
    public bool IsSurplus { get; set; }

    public IkeTimer? RekeyTimer { get; set; }

    public IkeTimer? OutboundTimer { get; set; }

    public ChildSaInfo ToInfo() => new()
    {
        Number = Number,
        InboundSpi = InboundSpi,
        OutboundSpi = OutboundSpi,
        Cpu = IsSurplus ? null : Cpu,
        IsFallback = IsFallback,
        OutboundInstalled = OutboundInstalled,
        InitiatedByUs = InitiatedByUs,
        Mode = Terms.Mode,
        Suite = Terms.Suite,
        LocalSelectors = Terms.LocalSelectors,
        RemoteSelectors = Terms.RemoteSelectors,
    };

    /// <summary>Zeroes keys that were never handed to the data plane, and stops the timers.</summary>
    public void Retire()
    {
        RekeyTimer?.Cancel();
        OutboundTimer?.Cancel();
        TakeOutbound()?.DisposeKeys();
    }
}

/// <summary>What was agreed for a Child SA.</summary>
internal sealed record ChildSaTerms
{
    public required uint InboundSpi { get; init; }
    public required uint OutboundSpi { get; init; }
    public required ChosenSuite Suite { get; init; }
    public required IpsecMode Mode { get; init; }
    public required IReadOnlyList<TrafficSelector> LocalSelectors { get; init; }
    public required IReadOnlyList<TrafficSelector> RemoteSelectors { get; init; }
    public required int? Cpu { get; init; }
    public required bool IsFallback { get; init; }

    /// <summary>
    /// RFC 9611 §3: all Child SAs of a group have the same properties. The key exchange is not one of them: the first
    /// Child SA, made in IKE_AUTH, never has its own.
    /// </summary>
    public bool HasPropertiesOf(ChildSaTerms other)
        => Mode == other.Mode
            && Suite with { KeyExchange = KeyExchangeMethod.NONE } == other.Suite with { KeyExchange = KeyExchangeMethod.NONE }
            && TrafficSelector.SameAs(LocalSelectors, other.LocalSelectors)
            && TrafficSelector.SameAs(RemoteSelectors, other.RemoteSelectors);

    /// <summary>The two halves, with keys of their own.</summary>
    /// <param name="sa">The IKE SA, for its addresses and SK_d.</param>
    /// <param name="material">The keys, as initiator and responder of the exchange have them.</param>
    /// <param name="weInitiated">Whether the exchange was ours.</param>
    public (SaInstallation Inbound, SaInstallation Outbound) ToInstallations(IkeSa sa, ChildSaKeyMaterial material, bool weInitiated)
    {
        IkeConnection connection = sa.Connection;
        (IPEndPoint local, IPEndPoint remote) = (sa.Local, sa.Remote);
        // Of its own: 49152 to 65535 (RFC 6335 §6), from the peer's then any.
        ushort source = connection.SourcePortPerSa ? (ushort)(0xc000 | (sa.Runtime.RandomUInt64() & 0x3fff)) : (ushort)local.Port;
        Secret Copy(Secret secret) => Secret.CopyOf(secret.Span);
        SaInstallation inbound = new()
        {
            Direction = SaDirection.Inbound,
            Connection = connection.Name,
            Spi = InboundSpi,
            Source = remote.Address,
            Destination = local.Address,
            Suite = Suite,
            EncryptionKey = Copy(weInitiated ? material.EncryptionR : material.EncryptionI),
            IntegrityKey = Copy(weInitiated ? material.IntegrityR : material.IntegrityI),
            Mode = Mode,
            LocalSelectors = LocalSelectors,
            RemoteSelectors = RemoteSelectors,
            Cpu = Cpu,
            Encapsulation = sa.Encapsulate ? new UdpEncapsulation(connection.SourcePortPerSa ? (ushort)0 : (ushort)remote.Port, (ushort)local.Port) : null,
            ReplayWindow = connection.ReplayWindow,
            Lifetime = connection.ChildLifetime,
        };
        SaInstallation outbound = inbound with
        {
            Direction = SaDirection.Outbound,
            Spi = OutboundSpi,
            Source = local.Address,
            Destination = remote.Address,
            EncryptionKey = Copy(weInitiated ? material.EncryptionI : material.EncryptionR),
            IntegrityKey = Copy(weInitiated ? material.IntegrityI : material.IntegrityR),
            Encapsulation = sa.Encapsulate ? new UdpEncapsulation(source, (ushort)remote.Port) : null,
            ReplayWindow = 0,
        };
        return (inbound, outbound);
    }
}
