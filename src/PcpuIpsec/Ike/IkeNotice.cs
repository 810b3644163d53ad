using System.Net;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike;

/// <summary>What the protocol reports: each is logged with an event id of its own and shown to the gateway's owner.</summary>
internal abstract record IkeNotice(string Connection);

/// <summary>An IKE SA is authenticated and ready (RFC 7296 §1.2).</summary>
internal sealed record IkeSaEstablished(string Connection, ulong InitiatorSpi, ulong ResponderSpi, bool IsInitiator, IPEndPoint Local, IPEndPoint Remote, ChosenSuite Suite, bool PerResource, int PeerWindow) : IkeNotice(Connection);

/// <summary>An IKE SA was replaced by another with new keys (RFC 7296 §2.18).</summary>
internal sealed record IkeSaRekeyed(string Connection, ulong InitiatorSpi, ulong ResponderSpi) : IkeNotice(Connection);

/// <summary>Our rekeying of an IKE SA failed; the old one goes on, and it is tried again later.</summary>
internal sealed record IkeSaRekeyFailed(string Connection, PcpuIpsecError Error, string Reason) : IkeNotice(Connection);

/// <summary>The peer has not answered a request of ours yet, which is sent again until it is given up.</summary>
internal sealed record PeerSlow(string Connection, IPEndPoint Remote, ExchangeType Exchange, TimeSpan Waited, TimeSpan GiveUp) : IkeNotice(Connection);

/// <summary>The peer answered when asked whether it lives (RFC 7296 §1.4).</summary>
internal sealed record PeerAnswered(string Connection) : IkeNotice(Connection);

/// <summary>An IKE SA is gone, and with it its Child SAs. <see cref="Error"/> is null where it was asked for.</summary>
internal sealed record IkeSaClosed(string Connection, ulong InitiatorSpi, ulong ResponderSpi, PcpuIpsecError? Error, string Reason) : IkeNotice(Connection);

/// <summary>An IKE SA could not be set up.</summary>
internal sealed record IkeSaFailed(string Connection, PcpuIpsecError Error, string Reason) : IkeNotice(Connection);

/// <summary>Both directions of a Child SA are installed (outbound may be skipped for a surplus one).</summary>
internal sealed record ChildSaEstablished(string Connection, ChildSaInfo Child) : IkeNotice(Connection);

/// <summary>A Child SA has new keys and SPIs (RFC 7296 §2.8), perhaps on another CPU; its number is the same.</summary>
internal sealed record ChildSaRekeyed(string Connection, ChildSaInfo Child) : IkeNotice(Connection);

/// <summary>A Child SA's resource or outbound state changed.</summary>
internal sealed record ChildSaChanged(string Connection, ChildSaInfo Child) : IkeNotice(Connection);

/// <summary>A Child SA is gone.</summary>
internal sealed record ChildSaClosed(string Connection, ChildSaInfo Child, bool ByPeer, string Reason) : IkeNotice(Connection);

/// <summary>A Child SA could not be rekeyed, or moved to another CPU; it goes on as it is, and rekeying is tried again.</summary>
internal sealed record ChildSaRekeyFailed(string Connection, ChildSaInfo Child, int? NewCpu, PcpuIpsecError Error, string Reason, NotifyType? Notify) : IkeNotice(Connection);

/// <summary>A Child SA could not be created.</summary>
internal sealed record ChildSaFailed(string Connection, int? Cpu, PcpuIpsecError Error, string Reason, NotifyType? Notify = null) : IkeNotice(Connection);

/// <summary>The peer answered a request of ours; what that took, from when it was first sent.</summary>
internal sealed record ExchangeAnswered(string Connection, ExchangeType Exchange, TimeSpan RoundTrip) : IkeNotice(Connection);

/// <summary>What is timed from its beginning here to when the SA is in use here; all but the first where it was ours alone.</summary>
internal enum Handshake
{
    IkeSaSetup,
    IkeSaRekey,
    ChildSaSetup,
    ChildSaRekey,
}

/// <summary>What the making of an SA took.</summary>
internal sealed record HandshakeDone(string Connection, Handshake Handshake, TimeSpan Duration) : IkeNotice(Connection);

/// <summary>One step of an exchange, for the log: what was sent, received or dropped and why.</summary>
internal sealed record IkeStep(string Connection, string Text) : IkeNotice(Connection);

/// <summary>One Child SA as the protocol sees it.</summary>
internal sealed record ChildSaInfo
{
    /// <summary>Ours to name it by; stays the same when the SA is rekeyed.</summary>
    public required int Number { get; init; }
    public required uint InboundSpi { get; init; }
    public required uint OutboundSpi { get; init; }

    /// <summary>The CPU its outbound half serves here; null for the fallback and for a surplus one.</summary>
    public required int? Cpu { get; init; }

    /// <summary>True for the first Child SA, which serves every CPU that has none of its own.</summary>
    public required bool IsFallback { get; init; }

    /// <summary>True where the outbound half is in the data plane; false for a surplus one (RFC 9611 §3).</summary>
    public required bool OutboundInstalled { get; init; }
    public required bool InitiatedByUs { get; init; }
    public required IpsecMode Mode { get; init; }
    public required ChosenSuite Suite { get; init; }
    public required IReadOnlyList<TrafficSelector> LocalSelectors { get; init; }
    public required IReadOnlyList<TrafficSelector> RemoteSelectors { get; init; }
}
