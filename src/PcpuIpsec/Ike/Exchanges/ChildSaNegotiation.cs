using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Exchanges;

/// <summary>What IKE_AUTH and CREATE_CHILD_SA have in common: the payloads with which a Child SA is offered, chosen and agreed.</summary>
internal static class ChildSaNegotiation
{
    /// <summary>Ends the exchange where the response holds an error.</summary>
    public static void ThrowOnError(IReadOnlyList<Payload> payloads)
    {
        if (payloads.Error is { } error)
            throw new ExchangeFailure(ErrorOf(error.Notify), $"the peer answered {Describe(error.Notify)}", error.Notify, error.Data);
    }

    /// <summary>The name of a notify, or its number where it has none here.</summary>
    public static string Describe(NotifyType notify) => Enum.IsDefined(notify) ? notify.ToString() : $"notify {(ushort)notify}";

    /// <summary>The reason that stands for an error notify.</summary>
    public static PcpuIpsecError ErrorOf(NotifyType notify) => notify switch
    {
        NotifyType.AUTHENTICATION_FAILED => PcpuIpsecError.AuthenticationFailed,
        NotifyType.NO_PROPOSAL_CHOSEN or NotifyType.INVALID_KE_PAYLOAD => PcpuIpsecError.NoProposalChosen,
        NotifyType.TS_UNACCEPTABLE or NotifyType.SINGLE_PAIR_REQUIRED => PcpuIpsecError.TrafficSelectorsUnacceptable,
        _ => PcpuIpsecError.ProtocolViolation,
    };

    /// <summary>The payloads of an offer behind nonce and key: TSi, TSr, the selectors of the packet that asked before the rest (§2.9), and the notifies.</summary>
    public static void AddOffer(List<Payload> payloads, ChildSaOffer offer, byte[]? resourceInfo)
    {
        bool triggered = offer.TriggerLocal is not null && offer.TriggerRemote is not null;
        payloads.Add(new TsPayload(PayloadType.TSi, triggered ? [offer.TriggerLocal!, .. offer.LocalSelectors] : offer.LocalSelectors));
        payloads.Add(new TsPayload(PayloadType.TSr, triggered ? [offer.TriggerRemote!, .. offer.RemoteSelectors] : offer.RemoteSelectors));
        AddNotifies(payloads, offer.Mode, resourceInfo);
    }

    /// <summary>Reads a response to an offer: what the two ends now agree on, or why they do not.</summary>
    public static ChildSaTerms ReadResponse(IReadOnlyList<Payload> payloads, ChildSaOffer offer)
    {
        if (payloads.Find<SaPayload>() is not { } sa || Ts(payloads, PayloadType.TSi) is not { } tsi || Ts(payloads, PayloadType.TSr) is not { } tsr)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the response lacks SA, TSi or TSr");
        if (!ProposalSelection.TryAccept(sa.Proposals, offer.Proposals, out ChosenSuite? suite) || !TryReadSpi(sa.Proposals[0], out uint outboundSpi))
            throw new ExchangeFailure(PcpuIpsecError.NoProposalChosen, "the peer chose a proposal that was not offered");
        bool narrower = tsi.Selectors.Count > 0 && tsr.Selectors.Count > 0
            && tsi.Selectors.All(s => s.IsSubsetOf(offer.LocalSelectors)) && tsr.Selectors.All(s => s.IsSubsetOf(offer.RemoteSelectors));
        if (!narrower)
            throw new ExchangeFailure(PcpuIpsecError.TrafficSelectorsUnacceptable, $"the peer's selectors {Join(tsi.Selectors)} and {Join(tsr.Selectors)} are not within those offered, {Join(offer.LocalSelectors)} and {Join(offer.RemoteSelectors)}");
        // §1.3.1: transport mode holds where the response agrees to it.
        IpsecMode mode = payloads.Has(NotifyType.USE_TRANSPORT_MODE) ? IpsecMode.Transport : IpsecMode.Tunnel;
        if (mode != offer.Mode)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, $"{offer.Mode} mode was offered and the peer answered {mode} mode");
        return new ChildSaTerms
        {
            InboundSpi = offer.InboundSpi,
            OutboundSpi = outboundSpi,
            Suite = suite,
            Mode = mode,
            LocalSelectors = tsi.Selectors,
            RemoteSelectors = tsr.Selectors,
            Cpu = offer.Cpu,
            IsFallback = offer.IsFallback,
        };
    }

    /// <summary>Reads a request and chooses: the proposal, the mode, the selectors (§2.7, §2.9).</summary>
    /// <param name="sa">The IKE SA.</param>
    /// <param name="payloads">The request.</param>
    /// <param name="ignoreKeyExchange">True in IKE_AUTH, whose Child SA has no key exchange of its own (§1.2).</param>
    public static ChildSaChoice Choose(IkeSa sa, IReadOnlyList<Payload> payloads, bool ignoreKeyExchange)
    {
        IkeConnection connection = sa.Connection;
        if (payloads.Find<SaPayload>() is not { } offered || Ts(payloads, PayloadType.TSi) is not { } tsi || Ts(payloads, PayloadType.TSr) is not { } tsr)
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the request lacks SA, TSi or TSr", NotifyType.INVALID_SYNTAX);
        KePayload? ke = payloads.Find<KePayload>();
        if (!ProposalSelection.TrySelect(offered.Proposals, connection.EspSuites, ProtocolId.ESP, ke?.Method, ignoreKeyExchange, out Proposal? answer, out ChosenSuite? suite))
            throw new ExchangeFailure(PcpuIpsecError.NoProposalChosen, $"no proposal is acceptable; ours are {string.Join(", ", connection.EspSuites)}", NotifyType.NO_PROPOSAL_CHOSEN);
        if (suite.KeyExchange != KeyExchangeMethod.NONE && suite.KeyExchange != ke?.Method)
            throw WrongKeyExchange(suite.KeyExchange);
        Proposal chosen = offered.Proposals.First(p => p.Number == answer.Number && p.Protocol == ProtocolId.ESP);
        if (!TryReadSpi(chosen, out uint outboundSpi))
            throw new ExchangeFailure(PcpuIpsecError.ProtocolViolation, "the proposal's SPI is not one of ESP", NotifyType.INVALID_SYNTAX);
        IReadOnlyList<TrafficSelector> remote = TrafficSelector.Narrow(tsi.Selectors, connection.RemoteSelectors);
        IReadOnlyList<TrafficSelector> local = TrafficSelector.Narrow(tsr.Selectors, connection.LocalSelectors);
        if (local.Count == 0 || remote.Count == 0)
            throw new ExchangeFailure(PcpuIpsecError.TrafficSelectorsUnacceptable, $"{Join(tsi.Selectors)} to {Join(tsr.Selectors)} was asked for; allowed is {Join(connection.RemoteSelectors)} to {Join(connection.LocalSelectors)}", NotifyType.TS_UNACCEPTABLE);
        bool transport = payloads.Has(NotifyType.USE_TRANSPORT_MODE);
        if (transport != (connection.Mode == IpsecMode.Transport))
            throw new ExchangeFailure(PcpuIpsecError.NoProposalChosen, $"{(transport ? "transport" : "tunnel")} mode was asked for; ours is {connection.Mode}", NotifyType.NO_PROPOSAL_CHOSEN);
        return new ChildSaChoice(answer, suite, outboundSpi, local, remote, connection.Mode, ke);
    }

    /// <summary>INVALID_KE_PAYLOAD with the method that we want (§1.3).</summary>
    public static ExchangeFailure WrongKeyExchange(KeyExchangeMethod wanted)
        => new(PcpuIpsecError.NoProposalChosen, $"the key exchange must be {wanted}", NotifyType.INVALID_KE_PAYLOAD, [(byte)((ushort)wanted >> 8), (byte)wanted]);

    /// <summary>The method that an INVALID_KE_PAYLOAD asks for; null where it asks for none.</summary>
    public static KeyExchangeMethod? ReadWantedKeyExchange(byte[] data) => data.Length == 2 ? (KeyExchangeMethod)((data[0] << 8) | data[1]) : null;

    /// <summary>The payloads of a response, in the order of RFC 7296 §1.3.1; no nonce and no key in IKE_AUTH.</summary>
    public static List<Payload> BuildResponse(ChildSaChoice choice, uint inboundSpi, byte[]? nonce, KeyPair? keyPair, byte[]? resourceInfo)
    {
        List<Payload> payloads = [new SaPayload([choice.Answer with { Spi = SpiBytes(inboundSpi) }])];
        if (nonce is not null)
            payloads.Add(new NoncePayload(nonce));
        if (keyPair is not null)
            payloads.Add(new KePayload(keyPair.Method, keyPair.PublicValue.ToArray()));
        payloads.Add(new TsPayload(PayloadType.TSi, choice.RemoteSelectors));
        payloads.Add(new TsPayload(PayloadType.TSr, choice.LocalSelectors));
        AddNotifies(payloads, choice.Mode, resourceInfo);
        return payloads;
    }

    public static ChildSaTerms ToTerms(ChildSaChoice choice, uint inboundSpi, int? cpu, bool isFallback) => new()
    {
        InboundSpi = inboundSpi,
        OutboundSpi = choice.OutboundSpi,
        Suite = choice.Suite,
        Mode = choice.Mode,
        LocalSelectors = choice.LocalSelectors,
        RemoteSelectors = choice.RemoteSelectors,
        Cpu = cpu,
        IsFallback = isFallback,
    };

    /// <summary>One proposal a suite, numbered from 1 (§3.3.1).</summary>
    public static IReadOnlyList<Proposal> Offer(IReadOnlyList<CipherSuite> suites, ProtocolId protocol, byte[] spi, bool includeKeyExchange)
        => [.. suites.Select((suite, i) => suite.ToProposal((byte)(i + 1), protocol, spi, includeKeyExchange))];

    /// <summary>Reserves an inbound SPI, for a CPU where one is given.</summary>
    public static async Step<uint> ReserveSpi(IkeSa sa, int? cpu)
        => (await sa.Runtime.Ask<SpiReserved>(sa.Session, id => new ReserveSpi(id, sa.Connection.Name, cpu, sa.Local.Address, sa.Remote.Address))).Spi;

    /// <summary>Gives an inbound SPI back that no SA was made for.</summary>
    public static void ReleaseSpi(IkeSa sa, uint spi) => sa.Runtime.Emit(new ReleaseSpi(spi, sa.Local.Address, sa.Remote.Address));

    public static byte[] SpiBytes(uint spi) => [(byte)(spi >> 24), (byte)(spi >> 16), (byte)(spi >> 8), (byte)spi];

    private static void AddNotifies(List<Payload> payloads, IpsecMode mode, byte[]? resourceInfo)
    {
        if (mode == IpsecMode.Transport)
            payloads.Add(new NotifyPayload(NotifyType.USE_TRANSPORT_MODE));
        if (resourceInfo is not null)
            payloads.Add(new NotifyPayload(NotifyType.SA_RESOURCE_INFO, resourceInfo));
    }

    private static TsPayload? Ts(IReadOnlyList<Payload> payloads, PayloadType type) => payloads.OfType<TsPayload>().FirstOrDefault(t => t.Type == type);

    // RFC 4303 §2.1: SPIs 0 to 255 are reserved.
    private static bool TryReadSpi(Proposal proposal, out uint spi)
    {
        spi = proposal.Spi.Length == 4 ? (uint)((proposal.Spi[0] << 24) | (proposal.Spi[1] << 16) | (proposal.Spi[2] << 8) | proposal.Spi[3]) : 0;
        return spi > 255;
    }

    private static string Join(IEnumerable<TrafficSelector> selectors) => string.Join(", ", selectors);
}

/// <summary>What we offer for a Child SA.</summary>
internal sealed record ChildSaOffer
{
    public required uint InboundSpi { get; init; }
    public required IReadOnlyList<Proposal> Proposals { get; init; }
    public required IReadOnlyList<TrafficSelector> LocalSelectors { get; init; }
    public required IReadOnlyList<TrafficSelector> RemoteSelectors { get; init; }
    public required IpsecMode Mode { get; init; }
    public int? Cpu { get; init; }
    public bool IsFallback { get; init; }
    public TrafficSelector? TriggerLocal { get; init; }
    public TrafficSelector? TriggerRemote { get; init; }
}

/// <summary>What we chose of the peer's offer.</summary>
internal sealed record ChildSaChoice(
    Proposal Answer,
    ChosenSuite Suite,
    uint OutboundSpi,
    IReadOnlyList<TrafficSelector> LocalSelectors,
    IReadOnlyList<TrafficSelector> RemoteSelectors,
    IpsecMode Mode,
    KePayload? KeyExchange);
