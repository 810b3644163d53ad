using System.CommandLine;
using System.Runtime.InteropServices;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Vm;

namespace PcpuIpsec.KernelTests;

/// <summary>The VM from the command line; <c>dotnet test</c> does not come by here.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        using var stopping = new CancellationTokenSource();
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stopping.Cancel();
        }
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        try
        {
            var root = new RootCommand("A VM with a kernel that has ESP and per-CPU SAs") { RunVerb(), LabInVm.Verb(Say), ShellVerb(), RootVerb(), GuestVerb() };
            return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false }, stopping.Token);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("VM: stopped.");
            return 130;
        }
        catch (PcpuIpsecException e)
        {
            await Console.Error.WriteLineAsync("VM: " + e.Message);
            return 1;
        }
    }

    private static void Say(string line) => Console.WriteLine("== " + line);

    private static Command RunVerb()
    {
        var filter = new Option<string?>("--filter") { Description = "Only tests with this in their names; A|B for several" };
        var machine = new Option<string?>("--machine") { Description = "cpus4, cpus128 or nics. Default: all" };
        var minutes = new Option<int>("--minutes") { Description = "The limit for all of it. Default: 29", DefaultValueFactory = _ => 29 };
        var output = new Option<string>("--out") { Description = "Where results, logs, captures and dumps go", DefaultValueFactory = _ => "artifacts/kernel-tests" };
        var verb = new Command("run", "Runs the tests marked [KernelFact] and [KernelTheory] in the VM") { filter, machine, minutes, output };
        verb.SetAction(async (result, cancellationToken) =>
        {
            IReadOnlyList<Machine> machines = result.GetValue(machine) is { } name ? [MachineExtensions.ParseMachine(name)] : Enum.GetValues<Machine>();
            var run = new KernelTestRun(Path.GetFullPath(result.GetValue(output)!), result.GetValue(filter), TimeSpan.FromMinutes(result.GetValue(minutes)), Say);
            return await run.RunAsync(machines, cancellationToken) ? 0 : 1;
        });
        return verb;
    }

    private static Command ShellVerb()
    {
        var machine = new Option<string>("--machine") { Description = "cpus4, cpus128 or nics", DefaultValueFactory = _ => "cpus4" };
        var verb = new Command("shell", "A shell in the VM; its end, or Ctrl-A X, ends the VM. /out is a folder of the host") { machine };
        verb.SetAction(async (result, cancellationToken) =>
        {
            ForkyRoot root = await ForkyRoot.EnsureAsync(Say, cancellationToken);
            string accelerator = await Accelerator.ChooseAsync(root, Say, cancellationToken);
            string folder = Directory.CreateTempSubdirectory("pcpu-ipsec-shell-").FullName;
            Say($"/out in the VM is {folder} here; Ctrl-A X ends the VM");
            await new VirtualMachine(root, MachineExtensions.ParseMachine(result.GetValue(machine)!), accelerator).RunShellAsync(folder);
            return 0;
        });
        return verb;
    }

    private static Command RootVerb()
    {
        var verb = new Command("root", "Makes the forky system, where it is not there yet, and tells its folder");
        verb.SetAction(async (_, cancellationToken) =>
        {
            ForkyRoot root = await ForkyRoot.EnsureAsync(line => Console.Error.WriteLine("== " + line), cancellationToken);
            Console.WriteLine(root.Folder);
            return 0;
        });
        return verb;
    }

    private static Command GuestVerb()
    {
        var filter = new Option<string?>("--filter");
        var verb = new Command("guest", "Inside the VM: runs the tests") { filter };
        verb.Hidden = true;
        verb.SetAction(result => GuestRun.Run(result.GetValue(filter), GuestMachine.OutputFolder));
        return verb;
    }
}
