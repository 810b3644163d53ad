using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace PcpuIpsec.KernelTests.Guest;

/// <summary>
/// The run inside the VM: xunit's own framework in this process, one test at a time. Where a fault of the emulation ended the
/// boot before this one, it goes on with the tests that have no result yet.
/// </summary>
internal static class GuestRun
{
    /// <summary>Runs the tests of this machine.</summary>
    /// <param name="filter">A part of a test's name, or several, separated by <c>|</c>; null takes all.</param>
    /// <param name="folder">Where the events go.</param>
    /// <returns>0 where none failed.</returns>
    public static int Run(string? filter, string folder)
    {
        string path = Path.Combine(folder, TestEvent.FileName);
        IReadOnlyList<TestEvent> before = TestEvent.ReadAll(path);
        HashSet<string> done = [.. before.Where(e => e.IsResult).Select(e => e.Test)];
        using var events = new StreamWriter(path) { AutoFlush = true };
        foreach (TestEvent e in before)
            events.WriteLine(e.ToLine());
        using var reporter = new GuestReporter(events, folder);
        using var framework = new XunitTestFramework(reporter);
        Assembly assembly = typeof(GuestRun).Assembly;
        var options = new Options();

        using ITestFrameworkDiscoverer discoverer = framework.GetDiscoverer(Reflector.Wrap(assembly));
        using var found = new Discovery();
        discoverer.Find(includeSourceInformation: false, found, options);
        found.Done.Wait();
        ITestCase[] cases =
        [
            .. found.Cases
                .Where(IsForVm)
                .Where(c => filter is null || filter.Split('|').Any(f => c.DisplayName.Contains(f, StringComparison.OrdinalIgnoreCase)))
                .Where(c => !done.Contains(c.DisplayName))
                .OrderBy(c => c.DisplayName, StringComparer.Ordinal),
        ];
        reporter.Plan(cases.Select(c => c.DisplayName));

        using ITestFrameworkExecutor executor = framework.GetExecutor(assembly.GetName());
        executor.RunTests(cases, reporter, options);
        return reporter.WaitForEnd() ? 0 : 1;
    }

    /// <summary>The others, plain facts, run on the host.</summary>
    private static bool IsForVm(ITestCase test)
        => test.TestMethod.Method.GetCustomAttributes(typeof(KernelFactAttribute)).Any() || test.TestMethod.Method.GetCustomAttributes(typeof(KernelTheoryAttribute)).Any();

    private sealed class Discovery : LongLivedMarshalByRefObject, IMessageSink, IDisposable
    {
        public List<ITestCase> Cases { get; } = [];

        public ManualResetEventSlim Done { get; } = new();

        public bool OnMessage(IMessageSinkMessage message)
        {
            if (message is ITestCaseDiscoveryMessage { TestCase: var found })
                Cases.Add(found);
            else if (message is IDiscoveryCompleteMessage)
                Done.Set();
            return true;
        }

        public void Dispose() => Done.Dispose();
    }

    /// <summary>xunit's defaults, but one test at a time, as they share the CPUs that they pin to, and each message at once.</summary>
    private sealed class Options : ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
    {
        private readonly Dictionary<string, object?> _values = new()
        {
            ["xunit.execution.DisableParallelization"] = true,
            ["xunit.execution.SynchronousMessageReporting"] = true,
        };

        public TValue GetValue<TValue>(string name) => _values.TryGetValue(name, out object? value) ? (TValue)value! : default!;

        public void SetValue<TValue>(string name, TValue value) => _values[name] = value;
    }
}
