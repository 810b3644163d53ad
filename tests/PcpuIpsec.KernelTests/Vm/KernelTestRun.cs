using System.Reflection;
using PcpuIpsec.KernelTests.Guest;

namespace PcpuIpsec.KernelTests.Vm;

/// <summary>All tests that need the VM, one boot for each machine that has any.</summary>
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
        foreach (Machine machine in machines.Where(HasTests))
            passed &= await RunAsync(root, machine, accelerator, end, cancellationToken);
        return passed;
    }

    private async Task<bool> RunAsync(ForkyRoot root, Machine machine, string accelerator, DateTime end, CancellationToken cancellationToken)
    {
        say($"Testing in the VM (Linux {root.KernelRelease}, {machine.Describe()}, {Accelerator.Name(accelerator)})");
        string folder = Path.Combine(outputFolder, machine.Name());
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        string job = $"export {GuestMachine.MachineVariable}={machine.Name()}\n/build/PcpuIpsec.KernelTests guest{(filter is null ? "" : " --filter " + Shell.Quote(filter))}";

        string howItEnded;
        TimeSpan left = end - DateTime.UtcNow;
        try
        {
            if (left <= TimeSpan.Zero)
                throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"No time was left of the {limit.TotalMinutes:F0} minutes for the VM.");
            int? exitCode = await new VirtualMachine(root, machine, accelerator).RunAsync(job, folder, left, line => Console.WriteLine("   " + line), cancellationToken);
            howItEnded = exitCode is null ? "The VM ended before its job did." : $"The job in the VM ended with exit code {exitCode}.";
        }
        catch (PcpuIpsecException e)
        {
            howItEnded = e.Message;
        }

        Directory.CreateDirectory(folder);
        IReadOnlyList<TestEvent> results = TrxReport.Results(TestEvent.ReadAll(Path.Combine(folder, TestEvent.FileName)), howItEnded);
        TrxReport.Create(results, machine.Name()).Save(Path.Combine(folder, "results.trx"));
        int failed = results.Count(r => r.Kind == TestEventKind.Failed);
        if (failed > 0)
            say($"FAILED: {failed} of {results.Count} tests in the VM. {howItEnded} Logs, dumps and captures are in {folder}");
        return failed == 0;
    }

    private static bool HasTests(Machine machine) => typeof(KernelTestRun).Assembly.GetTypes()
        .SelectMany(t => t.GetMethods())
        .Any(m => m.GetCustomAttribute<KernelFactAttribute>()?.Machine == machine || m.GetCustomAttribute<KernelTheoryAttribute>()?.Machine == machine);
}
