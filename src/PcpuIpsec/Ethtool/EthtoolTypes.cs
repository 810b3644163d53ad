namespace PcpuIpsec.Ethtool;

/// <summary>Queues of an interface: those that only receive or send, and those that do both; each with the most that there can be.</summary>
internal sealed record Channels(int Rx, int RxMax, int Tx, int TxMax, int Combined, int CombinedMax)
{
    /// <summary>Queues that receive.</summary>
    public int Receiving => Rx + Combined;

    public int ReceivingMax => RxMax + CombinedMax;
}

/// <summary>Descriptors a queue: packets that wait for the CPU, or for the wire.</summary>
internal sealed record Rings(int Rx, int RxMax, int Tx, int TxMax);

/// <summary>What an interface does itself, by the kernel's names (net/ethtool/common.c).</summary>
/// <param name="Active">What is on.</param>
/// <param name="Changeable">What can be turned on and off.</param>
internal sealed record Features(IReadOnlySet<string> Active, IReadOnlySet<string> Changeable)
{
    public const string EspOffload = "esp-hw-offload", EspSegmentation = "tx-esp-segmentation", Ntuple = "rx-ntuple-filter", Gro = "rx-gro", GroList = "rx-gro-list";
}
