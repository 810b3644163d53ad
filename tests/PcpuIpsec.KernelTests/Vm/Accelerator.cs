namespace PcpuIpsec.KernelTests.Vm;

/// <summary>
/// KVM where it truly runs the guest, QEMU's emulation else. That /dev/kvm can be opened tells little: inside some VMs it is
/// there and the guest's kernel hangs or aborts. So it is tried once a boot of the host.
/// </summary>
internal static class Accelerator
{
    public const string Emulation = "tcg,thread=multi", Kvm = "kvm";

    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(20);

    /// <summary>
    /// QEMU's CPU. Emulated, an older one is the faster one: what came later moves and keeps wide registers, and copies memory by the
    /// byte (a quarter more packets a second than with "max").
    /// </summary>
    public static string Cpu(string accelerator) => accelerator == Kvm ? "max" : "Westmere,+rdrand";

    public static string Name(string accelerator) => accelerator == Kvm ? "KVM" : "TCG";

    public static async Task<string> ChooseAsync(ForkyRoot root, Action<string> say, CancellationToken cancellationToken)
    {
        if (!CanOpen("/dev/kvm"))
            return Emulation;
        string answer = Path.Combine(ForkyRoot.Cache, "kvm-" + File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim());
        if (!File.Exists(answer))
        {
            say($"Trying whether KVM works here, for {_limit.TotalSeconds:F0} s at most");
            string accelerator = await BootsAsync(root, cancellationToken) ? Kvm : Emulation;
            foreach (string old in Directory.EnumerateFiles(ForkyRoot.Cache, "kvm-*"))
                File.Delete(old);
            string draft = $"{answer}.{Environment.ProcessId}";
            File.WriteAllText(draft, accelerator);
            File.Move(draft, answer, overwrite: true);
        }
        return File.ReadAllText(answer);
    }

    private static async Task<bool> BootsAsync(ForkyRoot root, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("pcpu-ipsec-kvm-").FullName;
        try
        {
            return await new VirtualMachine(root, Machine.FourCpus, Kvm).RunAsync("exit 0", folder, _limit, static _ => { }, cancellationToken) == 0;
        }
        catch (PcpuIpsecException)
        {
            return false; // It hung, or QEMU gave up: both are the answer.
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static bool CanOpen(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
