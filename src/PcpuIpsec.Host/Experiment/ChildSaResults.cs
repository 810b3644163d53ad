using PcpuIpsec.Client;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Host.Experiment;

/// <summary>A gateway at one moment.</summary>
internal sealed record GatewayView(IReadOnlyList<ChildSa> ChildSas, IReadOnlyDictionary<string, long> DropCounters);

/// <summary>Both gateways at one moment.</summary>
internal sealed record GatewaySample(GatewayView West, GatewayView East)
{
    /// <summary>The Child SAs of both, their counters since an earlier sample.</summary>
    public GatewayPair<IReadOnlyList<ChildSaResult>> ChildSasSince(GatewaySample? earlier)
        => new(ChildSaResults.Since(earlier?.West, West), ChildSaResults.Since(earlier?.East, East));

    /// <summary>
    /// The CPU that east serves the Child SA of one of west's CPUs on; the gateways number their CPUs each for itself (RFC 9611
    /// §7). A TCP receiver elsewhere would acknowledge from there, through another Child SA, and so have the sender's softirq
    /// send on another CPU than the sender.
    /// </summary>
    public int? EastCpuOf(int westCpu)
    {
        ChildSa? west = West.ChildSas.FirstOrDefault(c => c.Cpu == westCpu && !c.IsFallback);
        return west is null ? null : East.ChildSas.FirstOrDefault(c => c.InboundSpi == west.OutboundSpi)?.Cpu;
    }

    /// <summary>What both dropped since an earlier sample, by name; what did not count is left out.</summary>
    public GatewayPair<IReadOnlyDictionary<string, long>> DropsSince(GatewaySample earlier)
        => new(Difference(earlier.West.DropCounters, West.DropCounters), Difference(earlier.East.DropCounters, East.DropCounters));

    private static SortedDictionary<string, long> Difference(IReadOnlyDictionary<string, long> before, IReadOnlyDictionary<string, long> after)
        => new(after.Select(d => KeyValuePair.Create(d.Key, d.Value - before.GetValueOrDefault(d.Key))).Where(d => d.Value != 0).ToDictionary(), StringComparer.Ordinal);
}

/// <summary>Turns what gateways say of their Child SAs into results.</summary>
internal static class ChildSaResults
{
    /// <summary>The Child SAs now, their counters since an earlier view: those that were not there then counted from zero.</summary>
    public static IReadOnlyList<ChildSaResult> Since(GatewayView? earlier, GatewayView now)
    {
        Dictionary<int, ChildSa> before = (earlier?.ChildSas ?? []).ToDictionary(c => c.Number);
        return [.. now.ChildSas.OrderBy(c => c.Number).Select(c => Difference(before.GetValueOrDefault(c.Number), c))];
    }

    /// <summary>Adds what the same Child SAs did in another repetition.</summary>
    public static IReadOnlyList<ChildSaResult> Add(IReadOnlyList<ChildSaResult> a, IReadOnlyList<ChildSaResult> b)
    {
        Dictionary<int, ChildSaResult> first = a.ToDictionary(c => c.Number);
        return [.. b.Select(c => first.TryGetValue(c.Number, out ChildSaResult? other) ? Sum(other, c) : c)];
    }

    private static ChildSaResult Difference(ChildSa? before, ChildSa now)
    {
        // Rekeyed in between: the new SA began at zero.
        bool sameOut = before?.OutboundSpi == now.OutboundSpi, sameIn = before?.InboundSpi == now.InboundSpi;
        return new ChildSaResult
        {
            Number = now.Number,
            Cpu = now.Cpu,
            IsFallback = now.IsFallback,
            Outbound = new(now.OutboundSpi, now.PacketsOut - (sameOut ? before!.PacketsOut : 0), now.BytesOut - (sameOut ? before!.BytesOut : 0)),
            Inbound = new(now.InboundSpi, now.PacketsIn - (sameIn ? before!.PacketsIn : 0), now.BytesIn - (sameIn ? before!.BytesIn : 0)),
            ReplayDrops = now.ReplayDrops - (sameIn ? before!.ReplayDrops : 0),
            IntegrityDrops = now.IntegrityDrops - (sameIn ? before!.IntegrityDrops : 0),
            OtherDrops = now.OtherDrops - (sameIn && sameOut ? before!.OtherDrops : 0),
        };
    }

    private static ChildSaResult Sum(ChildSaResult a, ChildSaResult b) => b with
    {
        Outbound = new(b.Outbound.Spi, a.Outbound.Packets + b.Outbound.Packets, a.Outbound.Bytes + b.Outbound.Bytes),
        Inbound = new(b.Inbound.Spi, a.Inbound.Packets + b.Inbound.Packets, a.Inbound.Bytes + b.Inbound.Bytes),
        ReplayDrops = a.ReplayDrops + b.ReplayDrops,
        IntegrityDrops = a.IntegrityDrops + b.IntegrityDrops,
        OtherDrops = a.OtherDrops + b.OtherDrops,
    };
}
