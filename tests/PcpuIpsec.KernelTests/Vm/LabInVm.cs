using System.CommandLine;

namespace PcpuIpsec.KernelTests.Vm;

/// <summary><c>pcpu-ipsec lab</c> in the VM: its options go in, its results come out.</summary>
internal static class LabInVm
{
    private static readonly TimeSpan _limit = TimeSpan.FromMinutes(60);

    public static Command Verb(Action<string> say)
    {
        var output = new Option<string>("--out") { Description = "Where results.json and chart.svg go", HelpName = "DIR", DefaultValueFactory = _ => "./lab-results" };
        var verb = new Command("lab", "Runs pcpu-ipsec lab in the VM, with its options") { output };
        verb.TreatUnmatchedTokensAsErrors = false;
        verb.SetAction((result, cancellationToken) => RunAsync(result.UnmatchedTokens, Path.GetFullPath(result.GetValue(output)!), say, cancellationToken));
        return verb;
    }

    private static async Task<int> RunAsync(IReadOnlyList<string> options, string folder, Action<string> say, CancellationToken cancellationToken)
    {
        ForkyRoot root = await ForkyRoot.EnsureAsync(say, cancellationToken);
        string accelerator = await Accelerator.ChooseAsync(root, say, cancellationToken);
        say($"The lab in the VM (Linux {root.KernelRelease}, {Machine.FourCpus.Describe()}, {Accelerator.Name(accelerator)})");
        string shared = Directory.CreateTempSubdirectory("pcpu-ipsec-lab-").FullName;
        try
        {
            // The pipe has no width and no colours, unlike the console.
            string job = $"set -o pipefail\n/build/pcpu-ipsec lab {string.Join(' ', options.Select(Shell.Quote))} --out /out/results 2>&1 | cat";
            int? exitCode = await new VirtualMachine(root, Machine.FourCpus, accelerator).RunAsync(job, shared, _limit, Console.WriteLine, cancellationToken);
            string results = Path.Combine(shared, "results");
            if (Directory.Exists(results))
            {
                Directory.CreateDirectory(folder);
                foreach (string file in Directory.EnumerateFiles(results))
                    File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
                say($"The results are in {folder}");
            }
            return exitCode ?? throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "The VM ended before the lab did; what it said is above.");
        }
        finally
        {
            Directory.Delete(shared, recursive: true);
        }
    }
}
