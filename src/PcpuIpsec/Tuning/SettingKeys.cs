namespace PcpuIpsec.Tuning;

/// <summary>How settings are called.</summary>
internal static class SettingKeys
{
    public const string Sysctl = "sysctl", Nic = "nic", Irq = "irq";

    /// <param name="name">With dots, as sysctl(8) has it.</param>
    public static string OfSysctl(string name) => $"{Sysctl}/{name}";

    public static string OfNic(string link, string what) => $"{Nic}/{link}/{what}";

    /// <param name="link">The interface.</param>
    /// <param name="queue">The queue's folder in sysfs: <c>rx-0</c>, <c>tx-0</c>.</param>
    /// <param name="file">Its file: <c>rps_cpus</c>, <c>xps_cpus</c>.</param>
    public static string OfQueue(string link, string queue, string file) => $"{Nic}/{link}/{queue}/{file}";

    /// <param name="link">The interface.</param>
    /// <param name="action">The name that the driver gave it, since numbers change.</param>
    public static string OfIrq(string link, string action) => $"{Irq}/{link}/{action}";
}
