using System.Text.Json.Serialization;

namespace PcpuIpsec.Client;

/// <summary>An interface as it is tuned; what its driver does not tell is null.</summary>
public sealed record NicTuning
{
    /// <summary>The interface.</summary>
    public required string Name { get; init; }

    /// <summary>Whether it is up.</summary>
    public required bool IsUp { get; init; }

    /// <summary>In bytes.</summary>
    public required int Mtu { get; init; }

    /// <summary>The driver's name.</summary>
    public string? Driver { get; init; }

    /// <summary>The driver's version; often the kernel's.</summary>
    public string? DriverVersion { get; init; }

    /// <summary>The NIC's firmware.</summary>
    public string? Firmware { get; init; }

    /// <summary>Where it is on its bus, such as 0000:01:00.0.</summary>
    public string? BusAddress { get; init; }

    /// <summary>The NUMA node that it is at; null where the host has one, or the interface no device.</summary>
    public int? NumaNode { get; init; }

    /// <summary>Its queues.</summary>
    public NicChannels? Channels { get; init; }

    /// <summary>Descriptors a queue.</summary>
    public NicRings? Rings { get; init; }

    /// <summary>When it interrupts, by ethtool's names: <c>rx-usecs</c>, <c>adaptive-rx</c>, …</summary>
    public IReadOnlyDictionary<string, long>? Coalescing { get; init; }

    /// <summary>What it can do itself and can be told not to, by ethtool's names, and whether it does.</summary>
    public IReadOnlyDictionary<string, bool>? Features { get; init; }

    /// <summary>How it spreads packets over its queues.</summary>
    public NicRss? Rss { get; init; }

    /// <summary>How many rules (ntuple) it takes; null where it takes none.</summary>
    public int? RuleCapacity { get; init; }

    /// <summary>Its rules, as ethtool shows them.</summary>
    public IReadOnlyList<string>? Rules { get; init; }

    /// <summary>Ethernet's flow control.</summary>
    public NicPause? Pause { get; init; }

    /// <summary>Each queue, and who works on it.</summary>
    public required IReadOnlyList<NicQueue> Queues { get; init; }

    /// <summary>What the driver counts (<c>ethtool -S</c>).</summary>
    public required IReadOnlyDictionary<string, ulong> Counters { get; init; }
}

/// <summary>Queues that only receive or send, and those that do both, with the most that there can be.</summary>
/// <param name="Rx">That only receive.</param>
/// <param name="RxMax">At most.</param>
/// <param name="Tx">That only send.</param>
/// <param name="TxMax">At most.</param>
/// <param name="Combined">That do both.</param>
/// <param name="CombinedMax">At most.</param>
public sealed record NicChannels(int Rx, int RxMax, int Tx, int TxMax, int Combined, int CombinedMax);

/// <summary>Descriptors a queue, with the most that there can be.</summary>
/// <param name="Rx">Packets that wait for the CPU.</param>
/// <param name="RxMax">At most.</param>
/// <param name="Tx">Packets that wait for the wire.</param>
/// <param name="TxMax">At most.</param>
public sealed record NicRings(int Rx, int RxMax, int Tx, int TxMax);

/// <summary>Receive side scaling.</summary>
/// <param name="Hash">The function: toeplitz, xor, crc32 or unknown.</param>
/// <param name="Key">Its key, in hexadecimal digits.</param>
/// <param name="Table">The queue of each value of the hash's low bits.</param>
/// <param name="Fields">What of a packet is hashed, by kind of packet: <c>esp4</c>, <c>udp4</c>, …</param>
public sealed record NicRss(string Hash, string Key, IReadOnlyList<int> Table, IReadOnlyDictionary<string, string> Fields);

/// <summary>Ethernet's flow control, and how many pause frames there were; null where the driver does not count them.</summary>
/// <param name="Autoneg">Negotiated with the other end.</param>
/// <param name="Rx">It pauses when it is told to.</param>
/// <param name="Tx">It tells others to pause.</param>
/// <param name="RxFrames">Pause frames received.</param>
/// <param name="TxFrames">Pause frames sent.</param>
public sealed record NicPause(bool Autoneg, bool Rx, bool Tx, ulong? RxFrames, ulong? TxFrames);

/// <summary>A queue of an interface.</summary>
/// <param name="Name"><c>rx-0</c>, <c>tx-0</c>, …</param>
/// <param name="IrqCpus">The CPUs that its IRQ may go to; null where it has none of its own.</param>
/// <param name="RpsCpus">The CPUs that what it received is handed to (RPS); null for one that sends.</param>
/// <param name="XpsCpus">The CPUs that send by it (XPS); null for one that receives, or where there is one alone.</param>
public sealed record NicQueue(string Name, IReadOnlyList<int>? IrqCpus, IReadOnlyList<int>? RpsCpus, IReadOnlyList<int>? XpsCpus);

/// <summary>An IRQ of an interface.</summary>
public sealed record IrqAffinity
{
    /// <summary>The interface.</summary>
    public required string Nic { get; init; }

    /// <summary>Its number now; another after the channels change.</summary>
    public required int Irq { get; init; }

    /// <summary>What the driver called it.</summary>
    public required string Action { get; init; }

    /// <summary><c>rx</c>, <c>tx</c>, <c>rx, tx</c> or <c>other</c>.</summary>
    public required string Use { get; init; }

    /// <summary>The queue; null where it is for none.</summary>
    public int? Queue { get; init; }

    /// <summary>The CPUs that it may go to.</summary>
    public required IReadOnlyList<int> Cpus { get; init; }

    /// <summary>The one that it goes to, or those; empty where the kernel does not tell.</summary>
    public required IReadOnlyList<int> EffectiveCpus { get; init; }
}

/// <summary>Which CPUs the queues of an interface are given to.</summary>
[JsonConverter(typeof(KebabCaseEnumConverter<IrqPolicy>))]
public enum IrqPolicy
{
    /// <summary>Queue by queue over all CPUs that are not isolated, one of each core first.</summary>
    Spread,

    /// <summary>The same over those of the NUMA node that the interface is at.</summary>
    NumaLocal,

    /// <summary>All to one.</summary>
    Single,
}

/// <summary>What became of a setting.</summary>
[JsonConverter(typeof(KebabCaseEnumConverter<TuningOutcome>))]
public enum TuningOutcome
{
    /// <summary>It was changed, and reads so.</summary>
    Changed,

    /// <summary>It was as wanted already.</summary>
    Unchanged,

    /// <summary>It would be changed.</summary>
    Planned,

    /// <summary>The kernel or the driver refused; nothing of the request was done.</summary>
    Failed,

    /// <summary>The same of what was optional; the rest was done.</summary>
    Refused,

    /// <summary>It is of an earlier boot, and the host has it otherwise since.</summary>
    UndoneByBoot,

    /// <summary>It is not there any more: its interface or queue has gone.</summary>
    Gone,

    /// <summary>For people to do: it is not changed.</summary>
    Advice,
}

/// <summary>A setting that was changed, would be, or was put back.</summary>
public sealed record TuningChange
{
    /// <summary>The setting, such as <c>nic/eth0/channels</c> and <c>sysctl/net.core.rmem_max</c>.</summary>
    public required string Setting { get; init; }

    /// <summary>What it was; null where it was not there.</summary>
    public string? Before { get; init; }

    /// <summary>What it is now, or would be; null where it is not there.</summary>
    public string? After { get; init; }

    /// <summary>What became of it.</summary>
    public required TuningOutcome Outcome { get; init; }

    /// <summary>What it is good for.</summary>
    public string? Why { get; init; }

    /// <summary>Why it failed, or what is to be known.</summary>
    public string? Reason { get; init; }
}

/// <summary>What an interface is to be; what is null stays.</summary>
public sealed record NicTuningRequest
{
    /// <summary>Queues: combined ones where the driver has them, else as many to receive as to send.</summary>
    public int? Channels { get; init; }

    /// <summary>Descriptors of a receiving queue.</summary>
    public int? RxRing { get; init; }

    /// <summary>Descriptors of a sending queue.</summary>
    public int? TxRing { get; init; }

    /// <summary>By ethtool's names; those not given stay.</summary>
    public IReadOnlyDictionary<string, long>? Coalescing { get; init; }

    /// <summary>By ethtool's names; those not given stay.</summary>
    public IReadOnlyDictionary<string, bool>? Features { get; init; }
}

/// <summary>Where IRQs are to go.</summary>
public sealed record IrqAffinityRequest
{
    /// <summary>How CPUs are chosen.</summary>
    public IrqPolicy Policy { get; init; }

    /// <summary>The CPUs to choose from, in the order of queues; null: all that are not isolated.</summary>
    public IReadOnlyList<int>? Cpus { get; init; }
}

/// <summary>What is to be tuned for IPsec.</summary>
public sealed record OptimizeRequest
{
    /// <summary>The interfaces; null: all that are up and have queues of their own.</summary>
    public IReadOnlyList<string>? Nics { get; init; }

    /// <summary>The CPUs that work on queues, in the order of queues; null: all that are not isolated.</summary>
    public IReadOnlyList<int>? Cpus { get; init; }
}
