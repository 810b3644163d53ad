namespace PcpuIpsec.Tuning;

/// <summary>
/// The CPUs that an IRQ may go to, as a mask (/proc/irq/N/smp_affinity). Found by interface and action each time: numbers
/// change with the number of queues.
/// </summary>
internal sealed class IrqSetting(HostFiles files, string link, string action) : ISetting
{
    public string Key => SettingKeys.OfIrq(link, action);

    public string? Read() => File() is { } file ? file.Read() : null;

    public void Write(string value)
    {
        TextSetting file = File() ?? throw new PcpuIpsecException(PcpuIpsecError.KernelRefused, $"{Key}: there is no such IRQ");
        try
        {
            file.Write(value);
        }
        catch (PcpuIpsecException e) when (IsManaged(file))
        {
            throw new PcpuIpsecException(PcpuIpsecError.KernelRefused, $"{Key}: the kernel places this IRQ itself (a managed one) and lets nobody else", e);
        }
    }

    public bool AreSame(string one, string other) => CpuMask.AreSame(one, other);

    /// <summary>One that takes not even the mask that it has is the kernel's own.</summary>
    private static bool IsManaged(TextSetting file)
    {
        try
        {
            file.Write(file.Read() ?? "");
            return false;
        }
        catch (PcpuIpsecException)
        {
            return true;
        }
    }

    private TextSetting? File()
        => NicIrqs.Of(files, link).FirstOrDefault(i => i.Action == action) is { } irq ? new TextSetting(Key, files.Proc($"irq/{irq.Number}/smp_affinity")) : null;
}
