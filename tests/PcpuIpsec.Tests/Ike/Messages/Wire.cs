using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Messages;

/// <summary>Bytes from hexadecimal with spaces, and payloads as text in which every field shows.</summary>
internal static class Wire
{
    public static byte[] Hex(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal).ReplaceLineEndings(""));

    public static string ToHex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    public static byte[] Encode(params Payload[] payloads)
    {
        byte[] chain = new byte[PayloadChain.Length(payloads)];
        PayloadChain.Write(payloads, chain);
        return chain;
    }

    public static IReadOnlyList<Payload> Decode(PayloadType first, ReadOnlySpan<byte> chain)
    {
        Assert.True(PayloadChain.TryParse(first, chain, out IReadOnlyList<Payload> payloads, out ParseError? error), error?.Text);
        return payloads;
    }

    public static ParseError Refuse(PayloadType first, ReadOnlySpan<byte> chain)
    {
        Assert.False(PayloadChain.TryParse(first, chain, out IReadOnlyList<Payload> payloads, out ParseError? error));
        Assert.Empty(payloads);
        return error;
    }

    public static string Describe(IEnumerable<Payload> payloads) => string.Join('\n', payloads.Select(Describe));

    private static string Describe(Payload payload) => payload switch
    {
        SaPayload sa => $"SA {string.Join(" ; ", sa.Proposals.Select(Describe))}",
        KePayload ke => $"KE {ke.Method} {ToHex(ke.Data)}",
        IdPayload id => $"{id.Type} {id.Identity.Type} {ToHex(id.Identity.Data)}",
        AuthPayload auth => $"AUTH {auth.Method} {ToHex(auth.Data)}",
        NoncePayload nonce => $"Nonce {ToHex(nonce.Data)}",
        NotifyPayload notify => $"N {notify.Notify} {notify.Protocol} {ToHex(notify.Spi)} {ToHex(notify.Data)}",
        DeletePayload delete => $"D {delete.Protocol} {string.Join(',', delete.Spis)}",
        VendorIdPayload vendor => $"V {ToHex(vendor.Data)}",
        TsPayload ts => $"{ts.Type} {string.Join(',', ts.Selectors.Select(s => $"{s.IsIPv6}/{s.Protocol}/{s.StartPort}-{s.EndPort}/{s.Start}-{s.End}"))}",
        OpaquePayload opaque => $"{opaque.Type} {opaque.Critical} {ToHex(opaque.Data)}",
        _ => throw new ArgumentException($"no description of {payload.Type}"),
    };

    private static string Describe(Proposal proposal)
        => $"{proposal.Number} {proposal.Protocol} {ToHex(proposal.Spi)} {string.Join(',', proposal.Transforms)}";
}

/// <summary>Payloads by chance, all well formed.</summary>
internal sealed class PayloadSource(int seed)
{
    private readonly Random _random = new(seed);

    public Payload[] Chain()
    {
        List<Payload> payloads = [];
        HashSet<PayloadType> single = [];
        int count = _random.Next(0, 10);
        while (payloads.Count < count)
        {
            Payload payload = Next();
            bool repeatable = payload.Type is PayloadType.N or PayloadType.D or PayloadType.V or PayloadType.CERT or PayloadType.EAP;
            if (repeatable || single.Add(payload.Type))
                payloads.Add(payload);
        }

        return [.. payloads];
    }

    public TrafficSelector Selector()
    {
        bool isIPv6 = _random.Next(2) == 0;
        UInt128 mask = isIPv6 ? UInt128.MaxValue : uint.MaxValue;
        UInt128 one = TrafficSelector.ToNumber(new System.Net.IPAddress(Bytes(16, 16))) & mask;
        UInt128 other = _random.Next(3) == 0 ? one : TrafficSelector.ToNumber(new System.Net.IPAddress(Bytes(16, 16))) & mask;
        (ushort startPort, ushort endPort) = Ports();
        return new TrafficSelector(isIPv6, (byte)_random.Next(256), startPort, endPort, UInt128.Min(one, other), UInt128.Max(one, other));
    }

    public byte[] Bytes(int least, int most)
    {
        byte[] bytes = new byte[_random.Next(least, most + 1)];
        _random.NextBytes(bytes);
        return bytes;
    }

    private (ushort Start, ushort End) Ports()
    {
        ushort one = (ushort)_random.Next(65536);
        ushort other = (ushort)_random.Next(65536);
        return _random.Next(4) switch
        {
            0 => (0, ushort.MaxValue),
            1 => (ushort.MaxValue, 0),
            2 => (one, one),
            _ => (Math.Min(one, other), Math.Max(one, other)),
        };
    }

    private Payload Next() => _random.Next(13) switch
    {
        0 => new SaPayload([.. Enumerable.Range(1, _random.Next(1, 4)).Select(number => Proposal((byte)number))]),
        1 => new KePayload((KeyExchangeMethod)_random.Next(1, 1000), Bytes(1, 300)),
        2 => new IdPayload(_random.Next(2) == 0 ? PayloadType.IDi : PayloadType.IDr, Identity()),
        3 => new AuthPayload((AuthMethod)_random.Next(1, 15), Bytes(1, 64)),
        4 => new NoncePayload(Bytes(16, 256)),
        5 => new NotifyPayload(NotifyType.SA_RESOURCE_INFO, Bytes(0, 16)),
        6 => new NotifyPayload(NotifyType.REKEY_SA, ProtocolId.ESP, Bytes(4, 4), []),
        7 => new DeletePayload(ProtocolId.ESP, [.. Enumerable.Range(0, _random.Next(0, 5)).Select(_ => (uint)_random.NextInt64(1L << 32))]),
        8 => new DeletePayload(ProtocolId.IKE, []),
        9 => new VendorIdPayload(Bytes(0, 20)),
        10 => new OpaquePayload(_random.Next(2) == 0 ? PayloadType.CERT : PayloadType.EAP, _random.Next(2) == 0, Bytes(0, 30)),
        11 => new TsPayload(PayloadType.TSi, [.. Enumerable.Range(0, _random.Next(1, 5)).Select(_ => Selector())]),
        _ => new TsPayload(PayloadType.TSr, [.. Enumerable.Range(0, _random.Next(1, 5)).Select(_ => Selector())]),
    };

    private Proposal Proposal(byte number)
    {
        (ProtocolId protocol, int spi) = _random.Next(3) switch { 0 => (ProtocolId.IKE, 0), 1 => (ProtocolId.IKE, 8), _ => (ProtocolId.ESP, 4) };
        byte[] spiBytes = Bytes(spi, spi);
        if (spi == 4)
            spiBytes[0] |= 1; // not a reserved one
        return new Proposal(number, protocol, spiBytes, [.. Enumerable.Range(0, _random.Next(1, 12)).Select(_ =>
            new Transform((TransformType)_random.Next(1, 7), (ushort)_random.Next(65536), _random.Next(2) == 0 ? (ushort)_random.Next(65536) : null))]);
    }

    private IkeIdentity Identity() => _random.Next(3) switch
    {
        0 => new IkeIdentity(IdType.ID_IPV4_ADDR, Bytes(4, 4)),
        1 => new IkeIdentity(IdType.ID_IPV6_ADDR, Bytes(16, 16)),
        _ => new IkeIdentity(IdType.ID_FQDN, Bytes(1, 30)),
    };
}
