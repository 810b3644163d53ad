using PcpuIpsec.Measurement;

namespace PcpuIpsec.Host.Experiment;

/// <summary>One repetition with what the gateways counted during it.</summary>
internal sealed record Repetition(IReadOnlyList<FlowResult> Flows, IReadOnlyList<CpuTimeResult> CpuTimes, GatewayPair<IReadOnlyList<ChildSaResult>>? ChildSas, GatewayPair<IReadOnlyDictionary<string, long>>? Drops)
{
    public double MegabitsPerSecond => Math.Round(Flows.Sum(f => f.Report.MegabitsPerSecond), 3);
}

/// <summary>Makes results of what was measured.</summary>
internal static class RunSummary
{
    private const double MostLoss = 0.01;

    /// <summary>One run of its repetitions, and how it compares with the runs before it.</summary>
    public static RunResult Of(RunKind kind, int flows, IReadOnlyList<Repetition> repetitions, IReadOnlyList<RunResult> earlier)
    {
        double[] values = [.. repetitions.Select(r => r.MegabitsPerSecond)];
        SampleStatistics statistics = SampleStatistics.Of(values);
        long bytes = repetitions.Sum(r => r.Flows.Sum(f => f.Report.Bytes));
        long busyMilliseconds = repetitions.Sum(r => r.CpuTimes.Sum(c => c.User + c.System + c.Irq + c.SoftIrq));
        GatewayPair<IReadOnlyList<ChildSaResult>>? childSas = repetitions.Select(r => r.ChildSas).Aggregate(
            (a, b) => a is null || b is null ? null : new(ChildSaResults.Add(a.West, b.West), ChildSaResults.Add(a.East, b.East)));

        return new RunResult
        {
            Name = $"{Name(kind)}-{flows}",
            Kind = kind,
            Flows = flows,
            Values = values,
            Statistics = statistics,
            RatioToOneSa = kind == RunKind.PerCpu ? RatioTo(RunKind.OneSa) : null,
            RatioToPlaintext = kind == RunKind.Plaintext ? null : RatioTo(RunKind.Plaintext),
            LostPackets = repetitions.Sum(r => r.Flows.Sum(f => f.Report.PacketsLost ?? f.Report.Retransmits ?? 0)),
            ReplayDrops = childSas is null ? 0 : childSas.West.Concat(childSas.East).Sum(c => c.ReplayDrops),
            CpuMicrosecondsPerKilobyte = bytes == 0 ? 0 : Math.Round(busyMilliseconds * 1000.0 / (bytes / 1024.0), 3),
            Repetitions = [.. repetitions.Select(r => new RepetitionResult(r.MegabitsPerSecond, r.Flows, r.CpuTimes))],
            ChildSas = childSas,
            Drops = repetitions.Select(r => r.Drops).Aggregate((a, b) => a is null || b is null ? null : new(Add(a.West, b.West), Add(a.East, b.East))),
        };

        double? RatioTo(RunKind other)
            => earlier.FirstOrDefault(r => r.Kind == other && r.Flows == flows) is { Statistics.Mean: > 0 } base_
                ? Math.Round(statistics.Mean / base_.Statistics.Mean, 3)
                : null;
    }

    public static string Name(RunKind kind) => kind switch
    {
        RunKind.Plaintext => "plaintext",
        RunKind.OneSa => "one-sa",
        _ => "per-cpu",
    };

    /// <summary>
    /// Whether shares can be told: with several flows at once and packets lost here more and there less, the receivers' goodput
    /// no longer says what each sender sent. One flow alone needs no such thing.
    /// </summary>
    public static bool CanAttribute(IReadOnlyCollection<IperfReport> flows)
        => flows.Count == 1 || flows.All(f => (f.PacketsLost ?? 0) <= MostLoss * (f.PacketsSent ?? 0));

    /// <summary>
    /// For each flow the share of its packets on the Child SA of its CPU. SAs count bytes and not flows, so a flow's share of
    /// the goodput is set against its SA's share of what the gateway sent: what went elsewhere is missing there.
    /// </summary>
    public static IReadOnlyList<double?> OwnSaShares(IReadOnlyList<(int Cpu, long Bytes)> flows, IReadOnlyList<ChildSaResult> sender)
    {
        double goodput = flows.Sum(f => f.Bytes), sent = sender.Sum(c => c.Outbound.Bytes);
        return [.. flows.Select(f =>
        {
            if (f.Bytes == 0 || sent == 0)
                return (double?)null;
            double onOwn = sender.Where(c => c.Cpu == f.Cpu).Sum(c => c.Outbound.Bytes) / sent;
            return Math.Round(Math.Min(1, onOwn / (f.Bytes / goodput)), 4);
        })];
    }

    private static SortedDictionary<string, long> Add(IReadOnlyDictionary<string, long> a, IReadOnlyDictionary<string, long> b)
        => new(a.Concat(b).GroupBy(d => d.Key).ToDictionary(g => g.Key, g => g.Sum(d => d.Value)), StringComparer.Ordinal);
}
