using PcpuIpsec.Tuning;

namespace PcpuIpsec.Tests.Tuning;

/// <summary>The kernel's files as a tree of their own.</summary>
internal sealed class FakeHost : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("pcpu-host-");

    public HostFiles Files => new(_root.FullName);

    public void Write(string path, string text)
    {
        string file = Path.Combine(_root.FullName, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text + "\n");
    }

    public string Read(string path) => File.ReadAllText(Path.Combine(_root.FullName, path)).TrimEnd('\n');

    public void Delete(string path)
    {
        string entry = Path.Combine(_root.FullName, path);
        if (Directory.Exists(entry))
            Directory.Delete(entry, recursive: true);
        else
            File.Delete(entry);
    }

    public void AddNic(string link, bool isVirtio, params (int Number, string Action)[] irqs)
    {
        string pci = Path.Combine(_root.FullName, "sys/devices/pci0000:00", link);
        string device = isVirtio ? Path.Combine(pci, "virtio0") : pci;
        // As sysfs has it: relative links, from where things really are.
        string real = Path.Combine(device, "net", link);
        Directory.CreateDirectory(real);
        Directory.CreateSymbolicLink(Path.Combine(real, "device"), "../../../" + Path.GetFileName(device));
        Directory.CreateDirectory(Path.Combine(_root.FullName, "sys/class/net"));
        Directory.CreateSymbolicLink(Path.Combine(_root.FullName, "sys/class/net", link), Path.GetRelativePath(Path.Combine(_root.FullName, "sys/class/net"), real));
        foreach ((int number, string action) in irqs)
        {
            Write($"sys/devices/pci0000:00/{link}/msi_irqs/{number}", "msix");
            Write($"sys/kernel/irq/{number}/actions", action);
            Write($"proc/irq/{number}/smp_affinity", "f");
        }
    }

    public void Dispose() => _root.Delete(recursive: true);
}
