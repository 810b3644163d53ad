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

    /// <summary>Four CPUs and NICs (Vm/nics.sh): two of virtio-net with four queues on one bridge, and one each of the others that QEMU has.</summary>
    Nics,
}

internal static class MachineExtensions
{
    /// <summary>As in folders and options.</summary>
    public static string Name(this Machine machine) => machine switch
    {
        Machine.FourCpus => "cpus4",
        Machine.ManyCpus => "cpus128",
        _ => "nics",
    };

    public static string Describe(this Machine machine) => machine switch
    {
        Machine.FourCpus => "4 CPUs",
        Machine.ManyCpus => "4 of 128 possible CPUs",
        _ => "4 CPUs and NICs",
    };

    public static Machine ParseMachine(string name) => Enum.GetValues<Machine>().Cast<Machine?>().FirstOrDefault(m => m!.Value.Name() == name)
        ?? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"machine = '{name}': allowed are {string.Join(", ", Enum.GetValues<Machine>().Select(m => m.Name()))}.");

    /// <summary>QEMU, and what it is started by: with NICs, in a network namespace of its own, where their other ends are.</summary>
    public static IReadOnlyList<string> Program(this Machine machine) => machine == Machine.Nics
        ? ["unshare", "--net", "--", "sh", Path.Combine(AppContext.BaseDirectory, "Vm", "nics.sh"), "qemu-system-x86_64"]
        : ["qemu-system-x86_64"];

    /// <summary>QEMU's options for the CPUs.</summary>
    public static IReadOnlyList<string> QemuOptions(this Machine machine) => ["-machine", "pc", "-smp", machine == Machine.ManyCpus ? "128" : "4"];

    /// <summary>The kernel's options for the CPUs. Emulated CPUs need no long calibration of their clock against each other.</summary>
    public static string KernelOptions(this Machine machine) => machine == Machine.ManyCpus ? " tsc=reliable" : "";
}
