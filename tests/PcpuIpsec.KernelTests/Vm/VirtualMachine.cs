using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Vm;

/// <summary>
/// A VM from its start to its end: the forky system as a snapshot, the build and the .NET runtime shared read-only, a folder
/// shared for results. It runs one job, a bash script, and switches off. It dies with us, and at its time limit.
/// </summary>
internal sealed partial class VirtualMachine(ForkyRoot root, Machine machine, string accelerator)
{
    private const string ConsoleLog = "console.log", JobFile = "job.sh", BegunFile = "begun", ExitCodeFile = "exit-code";
    private const int MemoryMiB = 3072, Boots = 6;

    /// <summary>What the console says of a kernel that ran into the middle of its own patching.</summary>
    private const string PatchingFault = "Oops: int3";

    private volatile bool _patchingFault;

    /// <summary>
    /// Boots, runs the job and waits for the end. Emulated CPUs that run in parallel may see the kernel patch its own code at
    /// the wrong moment, which ends it now and then (an Oops by int3, seen with QEMU 7.2, mostly seconds after its start); so it
    /// boots anew, where the job was not begun, and where it was and the console tells of that fault. The job then begins anew, with what it left in <paramref name="outputFolder"/>.
    /// </summary>
    /// <param name="job">A bash script. It sees the build in /build, the .NET runtime in /dotnet and <paramref name="outputFolder"/> in /out.</param>
    /// <param name="outputFolder">What the job leaves behind, and the console's log.</param>
    /// <param name="limit">When it is killed.</param>
    /// <param name="onLine">Called with each line of the console.</param>
    /// <param name="cancellationToken">Kills it.</param>
    /// <returns>The job's exit code; null where the VM ended without the job's end.</returns>
    /// <exception cref="PcpuIpsecException">The limit was reached, or QEMU did not start.</exception>
    public async Task<int?> RunAsync(string job, string outputFolder, TimeSpan limit, Action<string> onLine, CancellationToken cancellationToken)
    {
        Prepare(job, outputFolder);
        var since = Stopwatch.StartNew();
        for (int boot = 1; ; boot++)
        {
            int? exitCode = await RunOnceAsync(outputFolder, limit - since.Elapsed, since, onLine, cancellationToken);
            bool begun = File.Exists(Path.Combine(outputFolder, BegunFile));
            if (exitCode is not null || boot == Boots || (begun && !_patchingFault))
                return exitCode;
            onLine($"The VM ended {(begun ? "by a fault of the emulation" : "while it was booting")}: booting it again ({boot + 1} of {Boots}).");
            File.Delete(Path.Combine(outputFolder, BegunFile));
            _patchingFault = false;
        }
    }

    private async Task<int?> RunOnceAsync(string outputFolder, TimeSpan limit, Stopwatch since, Action<string> onLine, CancellationToken cancellationToken)
    {
        await using var log = new StreamWriter(Path.Combine(outputFolder, ConsoleLog), append: true) { AutoFlush = true };
        void Line(string line)
        {
            line = TerminalSequence().Replace(line, "").TrimEnd('\r');
            lock (log)
                log.WriteLine($"{since.Elapsed.TotalSeconds,8:F2} {line}");
            if (line.Length == 0)
                return;
            _patchingFault |= line.Contains(PatchingFault, StringComparison.Ordinal);
            onLine(line);
        }

        if (limit <= TimeSpan.Zero)
            return null;
        string[] arguments = [.. machine.Program(), .. Options(outputFolder), "-serial", "stdio"];
        var command = new LabCommand(arguments[0], arguments[1..]) { OnOutputLine = Line, OnErrorLine = Line };
        CommandResult result = await HostProcess.RunAsync(command, limit, cancellationToken, "The VM");
        string exitCode = Path.Combine(outputFolder, ExitCodeFile);
        if (File.Exists(exitCode))
            return int.Parse(File.ReadAllText(exitCode), CultureInfo.InvariantCulture);
        if (result.ExitCode != 0)
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"QEMU ended with exit code {result.ExitCode}: {result.Error.Trim()}");
        return null;
    }

    /// <summary>Boots with this process's terminal as its console and a shell as its job.</summary>
    public async Task RunShellAsync(string outputFolder)
    {
        Prepare("setsid -c bash -l </dev/console >/dev/console 2>&1", outputFolder);
        var info = new ProcessStartInfo("setpriv");
        foreach (string argument in (IEnumerable<string>)["--pdeathsig", "KILL", "--", .. machine.Program(), .. Options(outputFolder), "-serial", "mon:stdio"])
            info.ArgumentList.Add(argument);
        using Process process = ProcessStarter.Start(info);
        await process.WaitForExitAsync();
    }

    private static void Prepare(string job, string outputFolder)
    {
        Directory.CreateDirectory(outputFolder);
        foreach (string old in (ReadOnlySpan<string>)[ConsoleLog, BegunFile, ExitCodeFile])
            File.Delete(Path.Combine(outputFolder, old));
        File.WriteAllText(Path.Combine(outputFolder, JobFile), job + "\n");
    }

    private IEnumerable<string> Options(string outputFolder) =>
    [
        "-accel", accelerator, "-cpu", Accelerator.Cpu(accelerator), "-m", $"{MemoryMiB}", .. machine.QemuOptions(),
        "-nodefaults", "-display", "none", "-no-reboot",
        "-kernel", root.Kernel, "-initrd", root.Initrd,
        "-drive", $"file={Escape(root.Image)},if=virtio,format=raw,snapshot=on",
        .. Share("build", AppContext.BaseDirectory, readOnly: true),
        .. Share("dotnet", DotnetFolder(), readOnly: true),
        .. Share("out", outputFolder, readOnly: false),
        "-append", "console=ttyS0 panic=1 quiet TERM=dumb mitigations=off maxcpus=1" + machine.KernelOptions(),
    ];

    private static string[] Share(string tag, string folder, bool readOnly) =>
        ["-virtfs", $"local,path={Escape(Path.GetFullPath(folder))},mount_tag={tag},security_model=none,multidevs=remap{(readOnly ? ",readonly=on" : "")}"];

    /// <summary>QEMU takes a comma for an option's end unless it is doubled.</summary>
    private static string Escape(string path) => path.Replace(",", ",,", StringComparison.Ordinal);

    /// <summary>What firmware and systemd send to a terminal: CSI, OSC and DCS sequences and single characters (ECMA-48).</summary>
    [GeneratedRegex(@"\e\[[0-?]*[ -/]*[@-~]|\e[\]P][^\e\a]*(?:\a|\e\\|$)|\e.")]
    private static partial Regex TerminalSequence();

    /// <summary>The folder of the runtime that this process runs on: …/shared/Microsoft.NETCore.App/10.0.x is below it.</summary>
    private static string DotnetFolder()
    {
        string folder = Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return File.Exists(Path.Combine(folder, "dotnet"))
            ? folder
            : throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The VM needs the .NET runtime's folder, and {folder} has no dotnet: run this by a framework-dependent build.");
    }
}
