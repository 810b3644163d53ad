using System.Xml.Linq;
using PcpuIpsec.KernelTests.Guest;

namespace PcpuIpsec.KernelTests.Vm;

/// <summary>Results in Visual Studio's format, as <c>dotnet test --logger trx</c> writes them and tools read them.</summary>
internal static class TrxReport
{
    private static readonly XNamespace _ns = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
    private const string TestType = "13cdc9d9-ddb5-4fa4-a97d-d965ccfa4b4b", TestList = "8c84fa94-04c1-424b-9868-57a2d4851a1d";

    /// <summary>
    /// The result of every test, the last where a theory began anew in a second boot. One that was planned and has none is a
    /// failure: the VM ended before it, or in it. Where the time was over it was skipped; but no run without any result.
    /// </summary>
    public static IReadOnlyList<TestEvent> Results(IReadOnlyList<TestEvent> events, string howItEnded, bool outOfTime = false)
    {
        var results = events.Where(e => e.IsResult).GroupBy(e => e.Test).Select(g => g.Last()).ToList();
        TestEventKind withoutResult = outOfTime && results.Count > 0 ? TestEventKind.Skipped : TestEventKind.Failed;
        var done = results.Select(e => e.Test).ToHashSet();
        var started = events.Where(e => e.Kind == TestEventKind.Started).Select(e => e.Test).ToHashSet();
        foreach (TestEvent planned in events.Where(e => e.Kind == TestEventKind.Planned).DistinctBy(e => e.Test))
        {
            // A theory that could not be split into its rows is planned under its own name and runs under theirs.
            if (!done.Contains(planned.Test) && !started.Any(s => s != planned.Test && s.StartsWith(planned.Test + "(", StringComparison.Ordinal)))
                results.Add(new TestEvent(withoutResult, planned.Test, Message: started.Contains(planned.Test) ? $"It did not end. {howItEnded}" : $"It was not begun. {howItEnded}"));
        }
        foreach (string test in started.Where(s => !done.Contains(s) && !events.Any(e => e.Kind == TestEventKind.Planned && e.Test == s)))
            results.Add(new TestEvent(withoutResult, test, Message: $"It did not end. {howItEnded}"));
        if (results.Count == 0)
            results.Add(new TestEvent(TestEventKind.Failed, "the run in the VM", Message: $"No test was run. {howItEnded}"));
        return results;
    }

    public static XDocument Create(IReadOnlyList<TestEvent> results, string machine)
    {
        string now = DateTime.UtcNow.ToString("O");
        var tests = results.Select(r => (Result: r, Id: Guid.NewGuid(), Execution: Guid.NewGuid())).ToList();
        int passed = results.Count(r => r.Kind == TestEventKind.Passed), failed = results.Count(r => r.Kind == TestEventKind.Failed);
        return new XDocument(
            new XElement(_ns + "TestRun",
                new XAttribute("id", Guid.NewGuid()),
                new XAttribute("name", "VM " + machine),
                new XElement(_ns + "Times", new XAttribute("creation", now), new XAttribute("start", now), new XAttribute("finish", now)),
                new XElement(_ns + "Results", tests.Select(t => new XElement(_ns + "UnitTestResult",
                    new XAttribute("executionId", t.Execution),
                    new XAttribute("testId", t.Id),
                    new XAttribute("testName", t.Result.Test),
                    new XAttribute("computerName", machine),
                    new XAttribute("duration", TimeSpan.FromSeconds(t.Result.Seconds).ToString("c")),
                    new XAttribute("testType", TestType),
                    new XAttribute("outcome", t.Result.Kind switch { TestEventKind.Passed => "Passed", TestEventKind.Skipped => "NotExecuted", _ => "Failed" }),
                    new XAttribute("testListId", TestList),
                    Output(t.Result)))),
                new XElement(_ns + "TestDefinitions", tests.Select(t => new XElement(_ns + "UnitTest",
                    new XAttribute("name", t.Result.Test),
                    new XAttribute("id", t.Id),
                    new XElement(_ns + "Execution", new XAttribute("id", t.Execution)),
                    new XElement(_ns + "TestMethod",
                        new XAttribute("codeBase", typeof(TrxReport).Assembly.GetName().Name + ".dll"),
                        new XAttribute("className", ClassOf(t.Result.Test)),
                        new XAttribute("name", t.Result.Test))))),
                new XElement(_ns + "TestEntries", tests.Select(t => new XElement(_ns + "TestEntry",
                    new XAttribute("testId", t.Id), new XAttribute("executionId", t.Execution), new XAttribute("testListId", TestList)))),
                new XElement(_ns + "TestLists", new XElement(_ns + "TestList", new XAttribute("name", "All"), new XAttribute("id", TestList))),
                new XElement(_ns + "ResultSummary",
                    new XAttribute("outcome", failed == 0 ? "Completed" : "Failed"),
                    new XElement(_ns + "Counters",
                        new XAttribute("total", results.Count), new XAttribute("executed", passed + failed), new XAttribute("passed", passed), new XAttribute("failed", failed)))));
    }

    private static XElement? Output(TestEvent result) => result.Message is null && string.IsNullOrEmpty(result.Output)
        ? null
        : new XElement(_ns + "Output",
            string.IsNullOrEmpty(result.Output) ? null : new XElement(_ns + "StdOut", Printable(result.Output)),
            result.Message is null ? null : new XElement(_ns + "ErrorInfo", new XElement(_ns + "Message", Printable(result.Message))));

    /// <summary>XML has no place for most control characters.</summary>
    private static string Printable(string text) => string.Concat(text.Where(c => c is '\n' or '\t' || !char.IsControl(c)));

    private static string ClassOf(string test)
    {
        string method = test.Split('(')[0];
        return method.LastIndexOf('.') is > 0 and var dot ? method[..dot] : method;
    }
}
