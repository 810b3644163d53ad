using System.Collections.Frozen;

namespace PcpuIpsec.Ethtool;

/// <summary>What drives an interface, by its own words (struct ethtool_drvinfo). A bus address is empty where there is none.</summary>
internal sealed record DriverInfo(string Name, string Version, string Firmware, string BusAddress);

/// <summary>
/// Queues of an interface: those that only receive or send, those that do both, and others (for the link's events, for instance);
/// each with the most that there can be.
/// </summary>
internal sealed record Channels(int Rx, int RxMax, int Tx, int TxMax, int Combined, int CombinedMax, int Other = 0, int OtherMax = 0)
{
    /// <summary>Queues that receive.</summary>
    public int Receiving => Rx + Combined;

    public int ReceivingMax => RxMax + CombinedMax;

    /// <summary>Whether both have the same queues, whatever there could be.</summary>
    public bool HasCountsOf(Channels other) => (Rx, Tx, Combined, Other) == (other.Rx, other.Tx, other.Combined, other.Other);
}

/// <summary>Descriptors a queue: packets that wait for the CPU, or for the wire.</summary>
internal sealed record Rings(int Rx, int RxMax, int Tx, int TxMax);

/// <summary>Ethernet's flow control, and how many pause frames there were; null where the driver does not count them.</summary>
internal sealed record Pause(bool Autoneg, bool Rx, bool Tx, ulong? RxFrames = null, ulong? TxFrames = null)
{
    /// <summary>Whether both are set the same, whatever they counted.</summary>
    public bool HasSettingsOf(Pause other) => (Autoneg, Rx, Tx) == (other.Autoneg, other.Rx, other.Tx);
}

/// <summary>What an interface does itself, by the kernel's names (net/ethtool/common.c).</summary>
/// <param name="Active">What is on.</param>
/// <param name="Changeable">What can be turned on and off.</param>
internal sealed record Features(IReadOnlySet<string> Active, IReadOnlySet<string> Changeable)
{
    public const string EspOffload = "esp-hw-offload", EspSegmentation = "tx-esp-segmentation", Ntuple = "rx-ntuple-filter", Gro = "rx-gro", GroList = "rx-gro-list";

    /// <summary>What was asked for, granted or not: what to put back is this one, for what is changeable.</summary>
    public IReadOnlySet<string> Wanted { get; init; } = FrozenSet<string>.Empty;

    /// <summary>All names that the kernel has.</summary>
    public IReadOnlySet<string> Known { get; init; } = FrozenSet<string>.Empty;
}

/// <summary>What came of a wish for features.</summary>
/// <param name="Now">What there is.</param>
/// <param name="Refused">What is not as it was wished, each with why.</param>
internal sealed record FeatureOutcome(Features Now, IReadOnlyDictionary<string, string> Refused);
