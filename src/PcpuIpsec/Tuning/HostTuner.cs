using System.Globalization;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Host;

namespace PcpuIpsec.Tuning;

/// <summary>Tunes this host, in the network namespace of the thread that made it, and puts everything back.</summary>
internal sealed class HostTuner : IDisposable
{
    private const string Folder = "/var/lib/pcpu-ipsec/tuning";

    private readonly EthtoolSocket? _ethtool;
    private readonly string _journal;
    private readonly string _boot;

    private HostTuner(EthtoolSocket? ethtool, string journal, string boot)
    {
        (_ethtool, _journal, _boot) = (ethtool, journal, boot);
        NicSettings? nics = ethtool is null ? null : new NicSettings(ethtool);
        Settings = new HostSettings(Files, (link, what) => nics?.Find(link, what));
    }

    public HostFiles Files { get; } = new();

    public ISettings Settings { get; }

    /// <summary>ethtool's; null where the kernel has none.</summary>
    public EthtoolSocket? Ethtool => _ethtool;

    /// <param name="folder">Where journals are, one for each network namespace.</param>
    public static HostTuner OfThisNamespace(string folder = Folder)
    {
        string boot = HostFiles.TryRead("/proc/sys/kernel/random/boot_id") ?? "";
        return new HostTuner(EthtoolSocket.TryOpen(), Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"netns-{NetworkNamespaceCookie.OfThisThread()}"), "journal"), boot);
    }

    public IReadOnlyList<JournalEntry> Journal()
    {
        using TuningJournal journal = OpenJournal();
        return [.. journal.Entries];
    }

    public IReadOnlyList<TuningResult> Plan(IEnumerable<Wish> wishes) => Tuner.Plan(Settings, wishes);

    public IReadOnlyList<TuningResult> Apply(params ReadOnlySpan<Func<IEnumerable<Wish>>> stages)
    {
        using TuningJournal journal = OpenJournal();
        return new Tuner(Settings, journal).Apply(stages);
    }

    public IReadOnlyList<TuningResult> Restore()
    {
        using TuningJournal journal = OpenJournal();
        return new Tuner(Settings, journal).Restore();
    }

    /// <summary>What would be put back.</summary>
    public IReadOnlyList<TuningResult> PlanRestore()
    {
        using TuningJournal journal = OpenJournal();
        return journal.IsOfEarlierBoot ? [] : Tuner.Plan(Settings, journal.Entries.Reverse().Select(e => new Wish(e.Key, e.Before, "as it was before")));
    }

    public void Dispose() => _ethtool?.Dispose();

    /// <summary>What was changed; nobody else tunes while it is open.</summary>
    internal TuningJournal OpenJournal() => TuningJournal.Open(_journal, _boot);
}
