namespace PcpuIpsec.Tuning;

/// <summary>
/// One thing of the host that can be read, changed and put back: a sysctl, where an IRQ goes, an interface's channels. Values
/// are text as they are put back, so that what is restored is what was read.
/// </summary>
internal interface ISetting
{
    /// <summary>What it is, the same after a restart of the process: <c>sysctl/net.core.rmem_max</c>, <c>nic/eth0/channels</c>.</summary>
    string Key { get; }

    /// <summary>Its value; null where the host does not have it (any more), which is none.</summary>
    /// <exception cref="PcpuIpsecException">It is there and cannot be read.</exception>
    string? Read();

    /// <summary>Changes it.</summary>
    /// <exception cref="PcpuIpsecException">The kernel or the driver refuses; the message has the reason.</exception>
    void Write(string value);

    /// <summary>Whether two values are the same to the kernel, which writes some of them otherwise than they were given.</summary>
    bool AreSame(string one, string other) => one == other;
}

/// <summary>Finds settings by their keys.</summary>
internal interface ISettings
{
    /// <exception cref="PcpuIpsecException">No setting has such a key.</exception>
    ISetting Find(string key);
}
