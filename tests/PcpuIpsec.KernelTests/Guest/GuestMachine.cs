using PcpuIpsec.KernelTests.Vm;

namespace PcpuIpsec.KernelTests.Guest;

/// <summary>The VM as seen from inside.</summary>
internal static class GuestMachine
{
    /// <summary>How long a test may take that says nothing else. Emulation is slow, and it shares two cores.</summary>
    public const int TestLimitMilliseconds = 240_000;

    /// <summary>Tells the process in the VM which one it is.</summary>
    public const string MachineVariable = "PCPU_IPSEC_MACHINE";

    /// <summary>What is shared with the host.</summary>
    public const string OutputFolder = "/out";

    /// <summary>The machine that tests are found for; null outside.</summary>
    public static Machine? Current { get; } = Environment.GetEnvironmentVariable(MachineVariable) is { Length: > 0 } name ? MachineExtensions.ParseMachine(name) : null;

    /// <summary>The display name of the test that runs; one runs at a time.</summary>
    public static string CurrentTest { get; set; } = "none";

    /// <summary>A folder for what the running test leaves for people: kept where it fails.</summary>
    public static string TestFolder => Directory.CreateDirectory(FolderOf(OutputFolder, CurrentTest)).FullName;

    /// <summary>A folder for measurements: always kept.</summary>
    public static string ResultsFolder => Directory.CreateDirectory(Path.Combine(OutputFolder, "results")).FullName;

    /// <summary>The folder of a test below the shared one.</summary>
    public static string FolderOf(string output, string test)
    {
        string name = string.Concat(test.Replace("PcpuIpsec.KernelTests.", "", StringComparison.Ordinal).Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' ? c : '_'));
        return Path.Combine(output, "tests", name.Length <= 150 ? name : name[..150]);
    }
}
