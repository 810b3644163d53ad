using System.Globalization;
using PcpuIpsec.Measurement;
using Spectre.Console;

namespace PcpuIpsec.Host.Experiment;

/// <summary>The lab's result for people.</summary>
internal static class LabReport
{
    private const int MostSasInCell = 9;

    public static void Write(LabOutput output, LabResults results, string directory)
    {
        output.Line("");
        output.Line($"{results.Host.CpuModel}, CPU {results.Host.OnlineCpus} online, Linux {results.Host.Kernel}, {results.Host.Tools["iperf3"]}");
        output.Line($"{results.DataPlane.Name} data plane ({results.DataPlane.Reason.TrimEnd('.')}), {results.Options.Mode} mode{(results.Options.Encapsulation ? ", ESP in UDP" : "")}, "
            + $"{results.Options.EspSuite}, {results.Options.Protocol.ToUpperInvariant()}, {results.Options.Seconds} s a run");
        output.Write(MakeTable(results));
        foreach (string line in SummaryOf(results))
            output.Line(line);
        output.Line($"{Path.Combine(directory, "results.json")} and {Path.Combine(directory, "chart.svg")} have it all.");
        output.Line(Verdict(results.Checks));
    }

    internal static Table MakeTable(LabResults results)
    {
        bool udp = results.Options.Protocol == "udp", repeated = results.Options.Repeat > 1;
        var table = new Table().Border(TableBorder.Simple);
        table.AddColumn("Run");
        foreach (string heading in (string[])["Flows", "Mb/s", "× one SA", "× plaintext", udp ? "Lost packets" : "Lost packets\n(sent again)", "Replay drops", "CPU µs/KB"])
            table.AddColumn(new TableColumn(heading).RightAligned());
        table.AddColumn("Sent by west, by SA and CPU");
        foreach (RunResult run in results.Runs)
        {
            string interval = repeated && run.Statistics.ConfidenceInterval95 is { } half ? $"\n± {Number(half, 0)}" : "";
            table.AddRow(
                Title(run.Kind),
                run.Flows.ToString(CultureInfo.InvariantCulture),
                Number(run.Statistics.Mean, 0) + interval,
                Ratio(run.RatioToOneSa),
                Ratio(run.RatioToPlaintext),
                run.LostPackets.ToString("N0", CultureInfo.InvariantCulture),
                run.ChildSas is null ? "" : run.ReplayDrops.ToString("N0", CultureInfo.InvariantCulture),
                Number(run.CpuMicrosecondsPerKilobyte, 2),
                run.ChildSas is { } childSas ? SentBySa(childSas.West) : "in clear");
        }
        return table;
    }

    internal static IEnumerable<string> SummaryOf(LabResults results)
    {
        SetUpResult setUp = results.SetUp;
        int perCpu = setUp.ChildSas.West.Count(c => !c.IsFallback);
        yield return $"Set-up: fallback after {Number(setUp.FallbackMilliseconds, 0)} ms, {Count(perCpu, "per-CPU Child SA")} after {Number(setUp.AllChildSasMilliseconds, 0)} ms; "
            + $"{setUp.Ping.LostSinceFallback} of {setUp.Ping.SentSinceFallback} pings from {Count(setUp.Ping.Senders, "CPU")} lost since the fallback was up.";
        if (results.MovedSender is { } moved)
        {
            yield return $"Moved sender: {Number(moved.ShareOnNewSa * 100, 1)} % of the bytes after the move from CPU {moved.FromCpu} to CPU {moved.ToCpu} took the SA of CPU {moved.ToCpu} "
                + $"({moved.Report.Source}:{moved.Report.SourcePort} to {moved.Report.Destination}:{moved.Report.DestinationPort} throughout).";
        }
        foreach (CheckResult check in results.Checks.Where(c => !c.Passed))
            yield return $"FAILED {check.Name}: {check.Detail}.";
    }

    internal static string Verdict(IReadOnlyList<CheckResult> checks) => $"{checks.Count(c => c.Passed)} of {checks.Count} checks passed.";

    public static string Title(RunKind kind) => kind switch
    {
        RunKind.Plaintext => "plaintext",
        RunKind.OneSa => "one SA",
        _ => "one SA per CPU",
    };

    public static string Count(int number, string thing) => $"{number} {thing}{(number == 1 ? "" : "s")}";

    private static string SentBySa(IReadOnlyList<ChildSaResult> childSas)
    {
        IEnumerable<string> lines = childSas.Take(MostSasInCell).Select(c =>
            $"{c.Outbound.Spi} {(c.Cpu is { } cpu ? $"CPU {cpu}" : c.IsFallback ? "fallback" : "surplus")}: {Bytes(c.Outbound.Bytes)}");
        return string.Join('\n', childSas.Count > MostSasInCell ? lines.Append($"and {childSas.Count - MostSasInCell} more") : lines);
    }

    internal static string Bytes(long bytes)
    {
        string[] units = ["B", "KB", "MB", "GB", "TB"];
        double value = bytes;
        int unit = 0;
        for (; value >= 1000 && unit < units.Length - 1; unit++)
            value /= 1000;
        return $"{Number(value, unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2)} {units[unit]}";
    }

    private static string Ratio(double? ratio) => ratio is { } value ? Number(value, 2) : "";

    private static string Number(double value, int digits) => value.ToString("N" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
