using System.Globalization;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Host.Experiment;

/// <summary>What must hold for the lab to have done its job.</summary>
internal static class LabChecks
{
    /// <summary>Of a flow's bytes, and of those after a move, what must be on the CPU's own SA.</summary>
    public const double LeastShare = 0.95;

    public static IReadOnlyList<CheckResult> Of(IReadOnlyList<int> cpus, SetUpResult setUp, IReadOnlyList<RunResult> runs, MovedSenderResult? moved)
    {
        var checks = new List<CheckResult>
        {
            ChildSas("west", cpus, setUp.ChildSas.West),
            ChildSas("east", cpus, setUp.ChildSas.East),
            new("set-up-loss", setUp.Ping.LostSinceFallback == 0 && setUp.Ping.SentSinceFallback > 0,
                $"{setUp.Ping.LostSinceFallback} of {setUp.Ping.SentSinceFallback} pings lost since the fallback was up"),
            OwnSa(runs),
        };
        if (moved is not null)
        {
            checks.Add(new("moved-sender", moved.ShareOnNewSa >= LeastShare,
                $"{Percent(moved.ShareOnNewSa)} of the bytes after the move from CPU {moved.FromCpu} to CPU {moved.ToCpu} on the SA of CPU {moved.ToCpu}"));
        }
        return checks;
    }

    private static CheckResult ChildSas(string gateway, IReadOnlyList<int> cpus, IReadOnlyList<ChildSaResult> childSas)
    {
        int fallbacks = childSas.Count(c => c.IsFallback);
        int[] bound = [.. childSas.Where(c => !c.IsFallback && c.Cpu is not null).Select(c => c.Cpu!.Value).Distinct().Order()];
        return new($"child-sas-{gateway}", fallbacks == 1 && bound.SequenceEqual(cpus.Order()),
            $"{LabReport.Count(fallbacks, "fallback")} and Child SAs for CPU {(bound.Length > 0 ? CpuList.Format(bound) : "none")} of {CpuList.Format(cpus)}");
    }

    private static CheckResult OwnSa(IReadOnlyList<RunResult> runs)
    {
        var shares = runs.Where(r => r.Kind == RunKind.PerCpu)
            .SelectMany(r => r.Repetitions.SelectMany(p => p.Flows.Where(f => f.OwnSaShare is not null).Select(f => (r.Name, f.Cpu, Share: f.OwnSaShare!.Value)))).ToList();
        if (shares.Count == 0)
            return new("own-sa", false, "no flow carried anything");
        (string name, int cpu, double least) = shares.MinBy(s => s.Share);
        return new("own-sa", least >= LeastShare,
            $"at least {Percent(least)} of each pinned flow on its own CPU's SA; the least in {name} on CPU {cpu}");
    }

    private static string Percent(double share) => (share * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %";
}
