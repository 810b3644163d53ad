namespace PcpuIpsec.Ethtool;

/// <summary>The parameters of interrupt coalescing, by the names that ethtool(8) has for them.</summary>
internal static class CoalesceParameter
{
    private const string AdaptiveRx = "adaptive-rx", AdaptiveTx = "adaptive-tx", CqeModeRx = "cqe-mode-rx", CqeModeTx = "cqe-mode-tx";

    /// <summary>ETHTOOL_A_COALESCE_RX_USECS: where the attributes begin.</summary>
    private const int First = 2;

    /// <summary>How many of the names are also fields of struct ethtool_coalesce, which has them in the same order.</summary>
    public const int InStruct = 22;

    // ETHTOOL_A_COALESCE_*, in order. Null: the profiles, which hold several values.
    private static readonly string?[] _names =
    [
        "rx-usecs", "rx-frames", "rx-usecs-irq", "rx-frames-irq", "tx-usecs", "tx-frames", "tx-usecs-irq", "tx-frames-irq",
        "stats-block-usecs", AdaptiveRx, AdaptiveTx,
        "pkt-rate-low", "rx-usecs-low", "rx-frame-low", "tx-usecs-low", "tx-frame-low",
        "pkt-rate-high", "rx-usecs-high", "rx-frame-high", "tx-usecs-high", "tx-frame-high", "sample-interval",
        CqeModeTx, CqeModeRx, "tx-aggr-max-bytes", "tx-aggr-max-frames", "tx-aggr-time-usecs", null, null, "rx-cqe-frames", "rx-cqe-nsecs",
    ];

    /// <summary>The name of an attribute; null for others.</summary>
    public static string? NameOf(int attribute) => attribute - First is >= 0 and var index && index < _names.Length ? _names[index] : null;

    /// <summary>The attribute of a name that there is.</summary>
    public static ushort AttributeOf(string name) => (ushort)(Array.IndexOf(_names, name) + First);

    /// <summary>The field of struct ethtool_coalesce, counted from its command, which is 0; null where it has none.</summary>
    public static int? FieldOf(string name) => Array.IndexOf(_names, name) is >= 0 and < InStruct and var index ? index + 1 : null;

    /// <summary>Whether it is on or off, and no number.</summary>
    public static bool IsSwitch(string name) => name is AdaptiveRx or AdaptiveTx or CqeModeRx or CqeModeTx;
}
