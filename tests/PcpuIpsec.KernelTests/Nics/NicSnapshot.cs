using System.Globalization;
using System.Text;
using PcpuIpsec.Ethtool;

namespace PcpuIpsec.KernelTests.Nics;

/// <summary>All that ethtool can set of an interface, as text to be compared.</summary>
internal static class NicSnapshot
{
    private static readonly FlowType[] _hashed = [FlowType.Tcp4, FlowType.Udp4, FlowType.Esp4, FlowType.Ah4, FlowType.AhEsp4, FlowType.Tcp6, FlowType.Udp6, FlowType.Esp6, FlowType.Ah6, FlowType.AhEsp6];

    public static string Take(EthtoolSocket ethtool, string link)
    {
        var text = new StringBuilder();
        Channels? channels = ethtool.Channels(link);
        Line("channels", channels);
        Line("rings", ethtool.Rings(link));
        Line("coalescing", ethtool.Coalescing(link) is { } coalescing ? string.Join(' ', coalescing.Select(c => $"{c.Key}={c.Value}")) : null);
        for (int queue = 0; queue < (channels?.Receiving ?? 0); queue++)
            Line($"coalescing of queue {queue}", ethtool.QueueCoalescing(link, queue) is { } own ? string.Join(' ', own.Select(c => $"{c.Key}={c.Value}")) : null);
        Features features = ethtool.Features(link)!;
        Line("active", string.Join(' ', features.Active.Order(StringComparer.Ordinal)));
        Line("wanted", string.Join(' ', features.Wanted.Order(StringComparer.Ordinal)));
        Line("pause", ethtool.Pause(link) is { } pause ? pause with { RxFrames = null, TxFrames = null } : null);
        Line("rss", ethtool.Rss(link) is { } rss ? $"{rss.Hash} {Convert.ToHexString(rss.Key.AsSpan())} {string.Join(' ', rss.Table)} of {rss.Rings}, {rss.InputTransform}" : null);
        Line("contexts", ethtool.RssContexts(link) is { } contexts ? string.Join(' ', contexts) : null);
        foreach (FlowType type in _hashed)
            Line($"hash of {type}", ethtool.HashFields(link, type));
        Line("rules", ethtool.Rules(link) is { } rules ? $"{rules.Capacity} {rules.TakesSpecialLocations}: {string.Join(' ', rules.Rules.Values)}" : null);
        return text.ToString();

        void Line(string what, object? value) => text.Append(CultureInfo.InvariantCulture, $"{what}: {value ?? "-"}\n");
    }
}
