namespace PcpuIpsec.Tuning;

/// <summary>The settings of this host, in the network namespace of the calling thread.</summary>
/// <param name="files">The kernel's files.</param>
/// <param name="nic">What is an interface's and not in a file, by interface and name.</param>
internal sealed class HostSettings(HostFiles files, Func<string, string, ISetting?> nic) : ISettings
{
    private static readonly string[] _queueFiles = ["rps_cpus", "rps_flow_cnt", "xps_cpus", "xps_rxqs"];
    private static readonly string[] _linkFiles = ["gro_flush_timeout", "napi_defer_hard_irqs", "threaded"];

    public ISetting Find(string key) => key.Split('/', 3) switch
    {
        [SettingKeys.Sysctl, var name] when IsName(name) => new TextSetting(key, files.Proc("sys/" + name.Replace('.', '/'))),
        ["irqbalance", "banned"] => new IrqBalance(),
        [SettingKeys.Irq, var link, var action] when IsName(link) => new IrqSetting(files, link, action),
        [SettingKeys.Nic, var link, var what] when IsName(link) => OfNic(key, link, what),
        _ => throw Unknown(key),
    };

    private ISetting OfNic(string key, string link, string what) => what.Split('/') switch
    {
        [var queue, var file] when IsQueue(queue) && _queueFiles.Contains(file) => new TextSetting(key, files.OfLink(link, $"queues/{queue}/{file}")),
        [var file] when _linkFiles.Contains(file) => new TextSetting(key, files.OfLink(link, file)),
        _ => nic(link, what) ?? throw Unknown(key),
    };

    /// <summary>No way out of its folder.</summary>
    private static bool IsName(string name) => name.Length > 0 && name is not ("." or "..") && !name.Contains("..", StringComparison.Ordinal) && !name.Any(c => c == '/' || char.IsWhiteSpace(c));

    private static bool IsQueue(string queue) => queue.Length > 3 && queue[..3] is "rx-" or "tx-" && queue.AsSpan(3).IndexOfAnyExceptInRange('0', '9') < 0;

    private static PcpuIpsecException Unknown(string key) => new(PcpuIpsecError.InvalidOption, $"setting '{key}': allowed are those of the journal, such as sysctl/net.core.rmem_max and nic/eth0/channels.");
}
