using System.Reflection;
using PcpuIpsec.KernelTests.Guest;

namespace PcpuIpsec.KernelTests.Vm;

/// <summary>
/// All tests that need the VM, one boot for each machine that has any. What fails is run once more in a fresh one, and said to
/// have passed only then: emulated CPUs of a host that does something else stand still for longer than any peer waits.
/// What a slow host does not come to in the time there is was skipped.
/// </summary>
internal sealed class KernelTestRun(string outputFolder, string? filter, TimeSpan limit, Action<string> say)
{
    /// <summary>Boots and runs; the results are in <c>results.trx</c> of each machine's folder.</summary>
    /// <returns>Whether every test passed.</returns>
    public async Task<bool> RunAsync(IReadOnlyList<Machine> machines, CancellationToken cancellationToken)
    {
        DateTime end = DateTime.UtcNow + limit;
        ForkyRoot root = await ForkyRoot.EnsureAsync(say, cancellationToken);
        string accelerator = await Accelerator.ChooseAsync(root, say, cancellationToken);
        bool passed = true;
        Machine[] wanted = [.. machines.Where(HasTests)];
        for (int i = 0; i < wanted.Length; i++)
            passed &= await RunAsync(root, wanted[i], accelerator, end - wanted[(i + 1)..].Aggregate(TimeSpan.Zero, (kept, m) => kept + KeptFor(m)), cancellationToken);
        return passed;
    }

    /// <summary>Of the time, for a machine that comes after: twice what its tests take.</summary>
    private static TimeSpan KeptFor(Machine machine) => TimeSpan.FromMinutes(machine == Machine.Nics ? 2.5 : 6);

    /// <summary>More than these have one cause, which will not be gone at the second attempt.</summary>
    private const int RepeatedAtMost = 8;

    /// <summary>Where the boot alone takes longer, peers give up before they are answered, and a result says nothing. 12 to 30 s are usual.</summary>
    private const int BootSecondsAtMost = 90;

    private const int TooSlow = 3;

    private async Task<bool> RunAsync(ForkyRoot root, Machine machine, string accelerator, DateTime end, CancellationToken cancellationToken)
    {
        say($"Testing in the VM (Linux {root.KernelRelease}, {machine.Describe()}, {Accelerator.Name(accelerator)})");
        string folder = Path.Combine(outputFolder, machine.Name());
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Outcome outcome = await BootAsync(root, machine, accelerator, folder, filter, end, cancellationToken);
        TestEvent[] failures = [.. outcome.Results.Where(r => r.Kind == TestEventKind.Failed)];
        if (failures.Length is > 0 and <= RepeatedAtMost && failures.Length < outcome.Results.Count)
        {
            say($"{failures.Length} of {outcome.Results.Count} tests failed and are run once more");
            Outcome again = await BootAsync(root, machine, accelerator, Path.Combine(folder, "again"), string.Join('|', failures.Select(f => f.Test)), end, cancellationToken);
            foreach (TestEvent passed in again.Results.Where(r => r.Kind == TestEventKind.Passed && failures.Any(f => f.Test == r.Test)))
            {
                say($"Passed at the second attempt only: {passed.Test}");
                outcome.Results[outcome.Results.FindIndex(r => r.Test == passed.Test)] = passed;
            }
        }
        TrxReport.Create(outcome.Results, machine.Name()).Save(Path.Combine(folder, "results.trx"));
        int failed = outcome.Results.Count(r => r.Kind == TestEventKind.Failed), skipped = outcome.Results.Count(r => r.Kind == TestEventKind.Skipped);
        if (skipped > 0)
            say($"Skipped: {skipped} of {outcome.Results.Count} tests in the VM. {outcome.HowItEnded}");
        if (failed > 0)
            say($"FAILED: {failed} of {outcome.Results.Count} tests in the VM. {outcome.HowItEnded} Logs, dumps and captures are in {folder}");
        return failed == 0;
    }

    private sealed record Outcome(List<TestEvent> Results, string HowItEnded);

    private async Task<Outcome> BootAsync(ForkyRoot root, Machine machine, string accelerator, string folder, string? names, DateTime end, CancellationToken cancellationToken)
    {
        // After a test that hung those go on that have no result yet.
        string job = $"""
            export {GuestMachine.MachineVariable}={machine.Name()}
            [ "$(cut -d. -f1 /proc/uptime)" -le {BootSecondsAtMost} ] || exit {TooSlow}
            for attempt in 1 2 3; do
              /build/PcpuIpsec.KernelTests guest{(names is null ? "" : " --filter " + Shell.Quote(names))}
              code=$?
              [ $code -eq {GuestReporter.Hung} ] || break
            done
            exit $code
            """;
        string howItEnded;
        TimeSpan left = end - DateTime.UtcNow;
        try
        {
            if (left <= TimeSpan.Zero)
                throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"No time was left of the {limit.TotalMinutes:F0} minutes for the VM.");
            int? exitCode = await new VirtualMachine(root, machine, accelerator).RunAsync(job, folder, left, line => Console.WriteLine("   " + line), cancellationToken);
            if (exitCode == TooSlow)
                return new Outcome([new TestEvent(TestEventKind.Skipped, "the run in the VM")], $"This host emulates too slowly: the boot took more than {BootSecondsAtMost} s.");
            howItEnded = exitCode is null ? "The VM ended before its job did." : $"The job in the VM ended with exit code {exitCode}.";
        }
        catch (PcpuIpsecException e)
        {
            howItEnded = e.Message;
        }

        Directory.CreateDirectory(folder);
        bool outOfTime = DateTime.UtcNow >= end;
        return new Outcome([.. TrxReport.Results(TestEvent.ReadAll(Path.Combine(folder, TestEvent.FileName)), howItEnded, outOfTime)], howItEnded);
    }

    private static bool HasTests(Machine machine) => typeof(KernelTestRun).Assembly.GetTypes()
        .SelectMany(t => t.GetMethods())
        .Any(m => m.GetCustomAttribute<KernelFactAttribute>()?.Machine == machine || m.GetCustomAttribute<KernelTheoryAttribute>()?.Machine == machine);
}
