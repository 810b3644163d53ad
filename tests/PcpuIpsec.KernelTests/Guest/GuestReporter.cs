using System.Globalization;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Guest;

/// <summary>Tells the console and the host how each test goes, and ends the process where one hangs beyond xunit's own limit.</summary>
internal sealed class GuestReporter(StreamWriter events, string folder) : LongLivedMarshalByRefObject, IMessageSink, IDisposable
{
    /// <summary>The exit code where a test hung.</summary>
    public const int Hung = 2;

    private static readonly TimeSpan _graceAfterLimit = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly ManualResetEventSlim _ended = new();
    private Timer? _watchdog;
    private bool _failed;

    public void Plan(IEnumerable<string> tests)
    {
        foreach (string test in tests)
            Write(new TestEvent(TestEventKind.Planned, test));
    }

    /// <summary>Waits for the last test; false where one failed.</summary>
    public bool WaitForEnd()
    {
        _ended.Wait();
        lock (_lock)
            return !_failed;
    }

    public bool OnMessage(IMessageSinkMessage message)
    {
        switch (message)
        {
            case ITestStarting m:
                GuestMachine.CurrentTest = m.Test.DisplayName;
                Write(new TestEvent(TestEventKind.Started, m.Test.DisplayName));
                Watch(m);
                break;
            case ITestPassed m:
                Say("passed", m);
                Write(new TestEvent(TestEventKind.Passed, m.Test.DisplayName, (double)m.ExecutionTime, Output: m.Output));
                RemoveFolder(m.Test.DisplayName);
                break;
            case ITestSkipped m:
                Say("skipped", m);
                Write(new TestEvent(TestEventKind.Skipped, m.Test.DisplayName, Message: m.Reason));
                break;
            case ITestFailed m:
                Fail(m.Test.DisplayName, (double)m.ExecutionTime, m, m.Output);
                break;
            // Where none of the tests themselves failed, but what is around them.
            case ITestCleanupFailure m:
                Fail(m.Test.DisplayName + " (cleaning up)", 0, m);
                break;
            case ITestMethodCleanupFailure m:
                Fail(m.TestMethod.Method.Name + " (cleaning up)", 0, m);
                break;
            case ITestClassCleanupFailure m:
                Fail(m.TestClass.Class.Name + " (cleaning up)", 0, m);
                break;
            case ITestCollectionCleanupFailure m:
                Fail(m.TestCollection.DisplayName + " (cleaning up)", 0, m);
                break;
            case ITestAssemblyCleanupFailure m:
                Fail("the assembly (cleaning up)", 0, m);
                break;
            case IErrorMessage m:
                Fail("xunit", 0, m);
                break;
            case ITestAssemblyFinished:
                _watchdog?.Dispose();
                _ended.Set();
                break;
        }
        return true;
    }

    public void Dispose()
    {
        _watchdog?.Dispose();
        _ended.Dispose();
    }

    private void Watch(ITestStarting starting)
    {
        _watchdog?.Dispose();
        string test = starting.Test.DisplayName;
        int limit = starting.TestCase is Xunit.Sdk.IXunitTestCase { Timeout: > 0 and var own } ? own : GuestMachine.TestLimitMilliseconds;
        _watchdog = new Timer(_ =>
        {
            string message = $"It hung for more than {limit / 1000} s.";
            Console.WriteLine($"FAILED  {test}: {message}");
            Write(new TestEvent(TestEventKind.Failed, test, limit / 1000.0, message));
            Environment.Exit(Hung);
        }, null, TimeSpan.FromMilliseconds(limit) + _graceAfterLimit, Timeout.InfiniteTimeSpan);
    }

    private void Fail(string test, double seconds, IFailureInformation failure, string? output = null)
    {
        string message = Describe(failure);
        lock (_lock)
        {
            _failed = true;
            Console.WriteLine($"FAILED  {Short(test)}  {Seconds(seconds)}\n        {message.Replace("\n", "\n        ", StringComparison.Ordinal)}");
            if (!string.IsNullOrEmpty(output))
                Console.WriteLine("        " + output.TrimEnd().Replace("\n", "\n        ", StringComparison.Ordinal));
        }
        Write(new TestEvent(TestEventKind.Failed, test, seconds, message, output));
    }

    private static string Describe(IFailureInformation failure)
    {
        var lines = new List<string>();
        for (int i = 0; i < failure.Messages.Length; i++)
        {
            lines.Add($"{failure.ExceptionTypes[i]}: {failure.Messages[i]}");
            if (failure.StackTraces[i] is { } trace)
                lines.Add(trace.TrimEnd());
        }
        return string.Join('\n', lines);
    }

    private void Say(string outcome, ITestResultMessage result)
    {
        lock (_lock)
            Console.WriteLine($"{outcome,-7} {Short(result.Test.DisplayName)}  {Seconds((double)result.ExecutionTime)}");
    }

    private void Write(TestEvent e)
    {
        lock (_lock)
            events.WriteLine(e.ToLine());
    }

    /// <summary>Dumps and captures are for failures.</summary>
    private void RemoveFolder(string test)
    {
        string path = GuestMachine.FolderOf(folder, test);
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
    }

    private static string Short(string test) => test.Replace("PcpuIpsec.KernelTests.", "", StringComparison.Ordinal);

    private static string Seconds(double seconds) => seconds.ToString("F1", CultureInfo.InvariantCulture) + " s";
}
