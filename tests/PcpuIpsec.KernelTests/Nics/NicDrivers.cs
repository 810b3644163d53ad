namespace PcpuIpsec.KernelTests.Nics;

/// <summary>The VM's NICs, by what drives them; which there are depends on QEMU.</summary>
public sealed class NicDrivers : TheoryData<string>
{
    public NicDrivers()
    {
        foreach (string driver in (ReadOnlySpan<string>)["virtio_net", "vmxnet3", "e1000e", "igb"])
        {
            if (Interfaces(driver).Any())
                Add(driver);
        }
    }

    /// <summary>The names of a driver's interfaces, by their hardware addresses.</summary>
    public static IEnumerable<string> Interfaces(string driver)
        => from link in Directory.EnumerateDirectories("/sys/class/net")
           let bound = Path.Combine(link, "device", "driver")
           where Directory.Exists(bound) && Directory.ResolveLinkTarget(bound, returnFinalTarget: false)?.Name == driver
           orderby File.ReadAllText(Path.Combine(link, "address"))
           select Path.GetFileName(link);
}
