namespace PcpuIpsec.KernelTests.Vm;

/// <summary>What is booted.</summary>
public enum Machine
{
    /// <summary>Four CPUs: what every test takes that does not need more.</summary>
    FourCpus,

    /// <summary>
    /// 128 possible CPUs, four of them online: the kernel takes a Child SA's CPU by the possible ones. More would run, but
    /// nobody waits for 128 emulated CPUs.
    /// </summary>
    ManyCpus,
}

internal static class MachineExtensions
{
    /// <summary>As in folders and options.</summary>
    public static string Name(this Machine machine) => machine == Machine.FourCpus ? "cpus4" : "cpus128";

    public static string Describe(this Machine machine) => machine == Machine.FourCpus ? "4 CPUs" : "4 of 128 possible CPUs";

    public static Machine ParseMachine(string name) => Enum.GetValues<Machine>().Cast<Machine?>().FirstOrDefault(m => m!.Value.Name() == name)
        ?? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"machine = '{name}': allowed are {string.Join(", ", Enum.GetValues<Machine>().Select(m => m.Name()))}.");

    /// <summary>QEMU's options for the CPUs.</summary>
    public static IReadOnlyList<string> QemuOptions(this Machine machine) => ["-machine", "pc", "-smp", machine == Machine.FourCpus ? "4" : "128"];

    /// <summary>The kernel's options for the CPUs. Emulated CPUs need no long calibration of their clock against each other.</summary>
    public static string KernelOptions(this Machine machine) => machine == Machine.FourCpus ? "" : " tsc=reliable";
}
