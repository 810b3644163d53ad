using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Measurement;
using PcpuIpsec.Tests.Measurement;

namespace PcpuIpsec.Tests.Host;

public class RunSummaryTests
{
    [Fact]
    public void A_run_is_compared_with_those_of_as_many_flows()
    {
        LabResults results = SampleResults.Make();

        RunResult perCpu = results.Runs.Single(r => r.Name == "per-cpu-2");
        Assert.Equal(Math.Round(2900.0 / 1600, 3), perCpu.RatioToOneSa);
        Assert.Equal(Math.Round(2900.0 / 17_000, 3), perCpu.RatioToPlaintext);
        Assert.Null(results.Runs.Single(r => r.Name == "one-sa-2").RatioToOneSa);
        Assert.Null(results.Runs.Single(r => r.Name == "plaintext-2").RatioToPlaintext);
    }

    [Fact]
    public void Repetitions_are_added_and_their_throughput_averaged()
    {
        RunResult run = RunSummary.Of(RunKind.PerCpu, 2, [SampleResults.MakeRepetition(RunKind.PerCpu, 2, 1000), SampleResults.MakeRepetition(RunKind.PerCpu, 2, 1100)], []);

        Assert.Equal([1000, 1100], run.Values);
        Assert.Equal(1050, run.Statistics.Mean);
        Assert.NotNull(run.Statistics.ConfidenceInterval95);
        Assert.Equal(4 * 7, run.LostPackets);
        Assert.Equal(4, run.ReplayDrops);
        Assert.Equal(6, run.Drops!.West["XfrmInStateSeqError"]);
        Assert.Equal(200_000, run.ChildSas!.West[1].Outbound.Bytes);
        Assert.Equal(400, run.ChildSas.East[2].Outbound.Packets);
    }

    [Fact]
    public void Cpu_time_is_what_was_not_idle_for_each_kilobyte_that_arrived()
    {
        RunResult run = RunSummary.Of(RunKind.Plaintext, 1, [SampleResults.MakeRepetition(RunKind.Plaintext, 1, 8.192)], []);

        // 600 + 400 ms busy for 1,024,000 bytes.
        Assert.Equal(1000, run.CpuMicrosecondsPerKilobyte);
    }

    [Fact]
    public void A_flow_whose_packets_all_took_its_own_sa_has_a_share_of_one()
        => Assert.Equal([1.0, 1.0], Shares([(0, 500), (1, 1500)], (null, 0), (0, 520), (1, 1560)));

    [Fact]
    public void What_went_through_the_fallback_is_missing_from_the_share()
        => Assert.Equal([0.75], Shares([(0, 1000)], (null, 250), (0, 750)));

    [Fact]
    public void What_went_through_another_cpus_sa_is_missing_and_does_not_count_there()
        => Assert.Equal([0.8, 1.0], Shares([(0, 1000), (1, 1000)], (null, 0), (0, 800), (1, 1200)));

    [Fact]
    public void A_flow_that_carried_nothing_has_no_share()
        => Assert.Equal([null, 1.0], Shares([(0, 0), (1, 10)], (1, 10)));

    [Fact]
    public void Goodput_tells_who_sent_what_unless_several_flows_lost_much()
    {
        IperfReport clean = SampleResults.MakeReport(TrafficProtocol.Udp, 10), lossy = clean with { PacketsLost = 11 };

        Assert.True(RunSummary.CanAttribute([SampleResults.MakeReport(TrafficProtocol.Tcp, 10), SampleResults.MakeReport(TrafficProtocol.Tcp, 20)]));
        Assert.True(RunSummary.CanAttribute([clean, clean]));
        Assert.True(RunSummary.CanAttribute([lossy]));
        Assert.False(RunSummary.CanAttribute([clean, lossy]));
    }

    [Fact]
    public void All_that_must_hold_holds_in_a_good_lab()
        => Assert.All(SampleResults.Make().Checks, c => Assert.True(c.Passed, c.Name));

    [Fact]
    public void Each_thing_that_does_not_hold_fails_its_own_check()
    {
        LabResults good = SampleResults.Make();
        SetUpResult lossy = good.SetUp with { Ping = good.SetUp.Ping with { LostSinceFallback = 1 } };
        SetUpResult oneMissing = good.SetUp with { ChildSas = good.SetUp.ChildSas with { East = [.. good.SetUp.ChildSas.East.Take(2)] } };
        SetUpResult noFallback = good.SetUp with { ChildSas = good.SetUp.ChildSas with { West = [.. good.SetUp.ChildSas.West.Skip(1)] } };
        IReadOnlyList<RunResult> stray = [RunSummary.Of(RunKind.PerCpu, 1, [new Repetition([new FlowResult(0, 0, SampleResults.MakeReport(TrafficProtocol.Tcp, 10), 0.94)], [], null, null)], [])];

        Assert.Equal(["set-up-loss"], Failed(lossy, good.Runs, good.MovedSender));
        Assert.Equal(["child-sas-east"], Failed(oneMissing, good.Runs, good.MovedSender));
        Assert.Equal(["child-sas-west"], Failed(noFallback, good.Runs, good.MovedSender));
        Assert.Equal(["own-sa"], Failed(good.SetUp, stray, good.MovedSender));
        Assert.Equal(["moved-sender"], Failed(good.SetUp, good.Runs, good.MovedSender! with { ShareOnNewSa = 0.949 }));
    }

    [Fact]
    public void The_table_has_a_row_for_each_run()
        => Assert.Equal(6, LabReport.MakeTable(SampleResults.Make()).Rows.Count);

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1234, "1.23 KB")]
    [InlineData(45_678_901, "45.7 MB")]
    [InlineData(123_456_789_012, "123 GB")]
    [InlineData(9_000_000_000_000_000, "9,000 TB")]
    public void Bytes_are_shown_in_decimal_units(long bytes, string expected)
        => Assert.Equal(expected, LabReport.Bytes(bytes));

    private static IEnumerable<string> Failed(SetUpResult setUp, IReadOnlyList<RunResult> runs, MovedSenderResult? moved)
        => LabChecks.Of([0, 1], setUp, runs, moved).Where(c => !c.Passed).Select(c => c.Name);

    private static IReadOnlyList<double?> Shares(IReadOnlyList<(int, long)> flows, params (int? Cpu, long Bytes)[] sas)
        => RunSummary.OwnSaShares(flows, [.. sas.Select((s, i) => SampleResults.ChildSa(i, s.Cpu, s.Cpu is null, s.Bytes))]);
}
