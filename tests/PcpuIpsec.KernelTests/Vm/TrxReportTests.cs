using System.Xml.Linq;
using PcpuIpsec.KernelTests.Guest;

namespace PcpuIpsec.KernelTests.Vm;

/// <summary>What counts as a result: a VM that ends early must not look like one that passed.</summary>
public sealed class TrxReportTests
{
    [Fact]
    public void A_test_that_the_VM_never_came_to_has_failed()
    {
        IReadOnlyList<TestEvent> results = TrxReport.Results([Event(TestEventKind.Planned, "a"), Event(TestEventKind.Planned, "b"), Event(TestEventKind.Started, "a"), Event(TestEventKind.Passed, "a")], "It was killed.");

        Assert.Equal(TestEventKind.Passed, Assert.Single(results, r => r.Test == "a").Kind);
        TestEvent missing = Assert.Single(results, r => r.Test == "b");
        Assert.Equal((TestEventKind.Failed, "It was not begun. It was killed."), (missing.Kind, missing.Message));
    }

    [Fact]
    public void A_test_that_did_not_end_has_failed()
        => Assert.Equal("It did not end. It was killed.", Assert.Single(TrxReport.Results([Event(TestEventKind.Planned, "a"), Event(TestEventKind.Started, "a")], "It was killed.")).Message);

    [Fact]
    public void A_second_boot_s_result_counts_and_what_the_first_one_ended_is_no_failure()
    {
        IReadOnlyList<TestEvent> results = TrxReport.Results(
        [
            Event(TestEventKind.Planned, "a"), Event(TestEventKind.Planned, "t"), Event(TestEventKind.Started, "a"), Event(TestEventKind.Passed, "a"),
            Event(TestEventKind.Started, "t(x: 1)"), Event(TestEventKind.Failed, "t(x: 1)"), Event(TestEventKind.Started, "t(x: 2)"),
            Event(TestEventKind.Planned, "t"), Event(TestEventKind.Started, "t(x: 1)"), Event(TestEventKind.Passed, "t(x: 1)"), Event(TestEventKind.Started, "t(x: 2)"), Event(TestEventKind.Passed, "t(x: 2)"),
        ], "");

        Assert.Equal(["a", "t(x: 1)", "t(x: 2)"], results.Select(r => r.Test));
        Assert.All(results, r => Assert.Equal(TestEventKind.Passed, r.Kind));
    }

    [Fact]
    public void What_a_slow_host_did_not_come_to_in_time_was_skipped_but_not_where_nothing_was_done()
    {
        TestEvent[] events = [Event(TestEventKind.Planned, "a"), Event(TestEventKind.Planned, "b"), Event(TestEventKind.Planned, "c"), Event(TestEventKind.Started, "a"), Event(TestEventKind.Failed, "a"), Event(TestEventKind.Started, "b")];

        Assert.Equal([TestEventKind.Failed, TestEventKind.Skipped, TestEventKind.Skipped], TrxReport.Results(events, "The time was over.", outOfTime: true).Select(r => r.Kind));
        Assert.All(TrxReport.Results(events[..3], "The time was over.", outOfTime: true), r => Assert.Equal(TestEventKind.Failed, r.Kind));
    }

    [Fact]
    public void A_run_without_any_test_has_failed()
        => Assert.Equal(TestEventKind.Failed, Assert.Single(TrxReport.Results([], "It was killed.")).Kind);

    [Fact]
    public void A_theory_that_ran_by_its_rows_is_no_test_that_is_missing()
        => Assert.Equal("t(x: 1)", Assert.Single(TrxReport.Results([Event(TestEventKind.Planned, "t"), Event(TestEventKind.Started, "t(x: 1)"), Event(TestEventKind.Passed, "t(x: 1)")], "")).Test);

    [Fact]
    public void Outcomes_are_written_as_readers_of_TRX_count_them()
    {
        XDocument document = TrxReport.Create([Event(TestEventKind.Passed, "a"), Event(TestEventKind.Failed, "b") with { Message = "no\u0001" }, Event(TestEventKind.Skipped, "c")], "cpus4");

        Assert.Equal(["Passed", "Failed", "NotExecuted"], document.Descendants().Where(e => e.Name.LocalName == "UnitTestResult").Select(e => e.Attribute("outcome")!.Value));
        Assert.Equal("no", Assert.Single(document.Descendants(), e => e.Name.LocalName == "Message").Value);
    }

    [Fact]
    public void An_event_cut_off_by_the_VM_s_end_is_no_event()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, Event(TestEventKind.Started, "a").ToLine() + "\n{\"Kind\":2,\"Te");
            Assert.Equal(Event(TestEventKind.Started, "a"), Assert.Single(TestEvent.ReadAll(path)));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static TestEvent Event(TestEventKind kind, string test) => new(kind, test);
}
