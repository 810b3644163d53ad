using System.Net.Sockets;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Interop;

namespace PcpuIpsec.KernelTests.Nics;

/// <summary>Tries each setting of an interface with a value that it does not have, and puts back what was there. Says of each whether it took, or why not.</summary>
internal sealed class NicAbilities(EthtoolSocket ethtool, string link)
{
    public const string Yes = "yes", None = "-";

    public OrderedDictionary<string, string> Try()
    {
        var told = new OrderedDictionary<string, string>();
        void Of(string what, Func<string> attempt)
        {
            try
            {
                told[what] = attempt();
            }
            catch (EthtoolException e)
            {
                told[what] = $"read only: {e.KernelText ?? Libc.Describe(e.Errno)}";
            }
        }

        Of("channels", Channels);
        Of("rings", Rings);
        Of("coalescing", Coalescing);
        Of("coalescing of a queue", QueueCoalescing);
        foreach (string feature in (ReadOnlySpan<string>)[Features.Gro, Features.Ntuple, Features.EspOffload])
            Of(feature, () => Feature(feature));
        Of("pause", Pause);
        Of("RSS table", RssTable);
        Of("RSS key", RssKey);
        Of("RSS context", RssContext);
        foreach (FlowType type in (ReadOnlySpan<FlowType>)[FlowType.Udp4, FlowType.Esp4])
            Of($"hash of {type}", () => HashOf(type));
        Of("rule by UDP port", () => Rule(FlowRule.Udp(AddressFamily.InterNetwork, null, 4500, queue: 0)));
        Of("rule by SPI", () => Rule(FlowRule.Esp(AddressFamily.InterNetwork, 0x1000, queue: 0)));
        Of("counters", () => ethtool.Statistics(link).Count is > 0 and var count ? $"{Yes}: {count}" : None);
        return told;
    }

    private string Channels()
    {
        if (ethtool.Channels(link) is not { } before)
            return None;
        if (before.CombinedMax < 2)
            return $"read only: at most {before.CombinedMax} combined, {before.RxMax} rx, {before.TxMax} tx";
        Channels wanted = before with { Combined = before.Combined == 1 ? 2 : 1 };
        return Back(ethtool.SetChannels(link, wanted) == wanted, ethtool.SetChannels(link, before) == before);
    }

    private string Rings()
    {
        if (ethtool.Rings(link) is not { } before)
            return None;
        Rings wanted = before with { Rx = before.Rx == before.RxMax ? before.RxMax / 2 : before.RxMax };
        return Back(ethtool.SetRings(link, wanted) == wanted, ethtool.SetRings(link, before) == before);
    }

    private string Coalescing()
    {
        if (ethtool.Coalescing(link) is not { Count: > 0 } before)
            return None;
        return Both(before, values => ethtool.SetCoalescing(link, values));
    }

    private string QueueCoalescing()
        => ethtool.QueueCoalescing(link, 0) is { Count: > 0 } before ? Both(before, values => ethtool.SetQueueCoalescing(link, 0, values)) : None;

    /// <summary>The first parameter: rx-usecs where there is one.</summary>
    private static string Both(IReadOnlyDictionary<string, long> before, Func<IReadOnlyDictionary<string, long>, IReadOnlyDictionary<string, long>> set)
    {
        (string name, long value) = before.First();
        const long Usual = 50; // Drivers have gaps among the small ones.
        long other = value == Usual ? 2 * Usual : Usual;
        IReadOnlyDictionary<string, long> then = set(new Dictionary<string, long> { [name] = other });
        string said = Back(then[name] == other, set(before).SequenceEqual(before));
        return $"{said}: {string.Join(", ", before.Keys)}";
    }

    private string Feature(string name)
    {
        Features before = ethtool.Features(link)!;
        bool wanted = before.Wanted.Contains(name);
        FeatureOutcome outcome = ethtool.SetFeatures(link, new Dictionary<string, bool> { [name] = !before.Active.Contains(name) });
        if (outcome.Refused.TryGetValue(name, out string? why) && !before.Changeable.Contains(name))
            return why.Contains("fixed", StringComparison.Ordinal) ? None : why;
        return Back(outcome.Refused.Count == 0, ethtool.SetFeatures(link, new Dictionary<string, bool> { [name] = wanted }).Now.Wanted.Contains(name) == wanted);
    }

    private string Pause()
    {
        if (ethtool.Pause(link) is not { } before)
            return None;
        // With autonegotiation drivers advertise what they are told and show what was agreed.
        var wanted = new Pause(Autoneg: false, !before.Rx, !before.Rx);
        return Back(ethtool.SetPause(link, wanted).HasSettingsOf(wanted), ethtool.SetPause(link, before).HasSettingsOf(before));
    }

    private string RssTable()
    {
        if (ethtool.Rss(link) is not { Table.Length: > 0 } before)
            return None;
        Rss wanted = before with { Table = [.. before.Table.Select(q => before.Rings - 1 - q)] };
        bool took = ethtool.SetRss(link, wanted) == wanted;
        Rss back = before.HasDefaultTable ? ethtool.ResetRssTable(link) : ethtool.SetRss(link, before);
        return $"{Back(took, back == before)}: {before.Table.Length} entries";
    }

    private string RssKey()
    {
        if (ethtool.Rss(link) is not { Key.Length: > 0 } before)
            return None;
        Rss wanted = before with { Key = [.. before.Key.Select(b => (byte)(b ^ 0xff))] };
        return $"{Back(ethtool.SetRss(link, wanted) == wanted, ethtool.SetRss(link, before) == before)}: {before.Key.Length} bytes";
    }

    private string RssContext()
    {
        if (ethtool.Rss(link) is not { Table.Length: > 0 } rss)
            return None;
        uint context = ethtool.CreateRssContext(link, [.. rss.Table.Select(_ => 0)]);
        bool listed = ethtool.RssContexts(link)?.Contains(context) ?? true;
        ethtool.DeleteRssContext(link, context);
        return Back(listed, ethtool.RssContexts(link)?.Contains(context) != true);
    }

    private string HashOf(FlowType type)
    {
        if (ethtool.HashFields(link, type) is not { } before)
            return None;
        const HashFields Ports = HashFields.Bytes0To1 | HashFields.Bytes2To3;
        HashFields addresses = HashFields.SourceAddress | HashFields.DestinationAddress;
        HashFields wanted = before == (addresses | Ports) ? addresses : addresses | Ports;
        return $"{Back(ethtool.SetHashFields(link, type, wanted) == wanted, ethtool.SetHashFields(link, type, before) == before)}, {before}";
    }

    private string Rule(FlowRule rule)
    {
        bool ntuple = ethtool.Features(link)!.Wanted.Contains(Features.Ntuple);
        ethtool.SetFeatures(link, new Dictionary<string, bool> { [Features.Ntuple] = true });
        try
        {
            if (ethtool.Rules(link) is not { } before)
                return None;
            uint location = ethtool.InsertRule(link, rule);
            FlowRule? there = ethtool.Rules(link)!.Rules.GetValueOrDefault(location);
            ethtool.DeleteRule(link, location);
            // What the driver tells of it can be put in again, and is then told the same.
            bool again = there is not null && ethtool.InsertRule(link, FlowRule.Parse(there.ToString())) == location && there.Equals(ethtool.Rules(link)!.Rules[location]);
            ethtool.DeleteRule(link, location);
            return $"{Back(again, ethtool.Rules(link)!.Rules.Count == before.Rules.Count)}: {before.Capacity} places";
        }
        finally
        {
            ethtool.SetFeatures(link, new Dictionary<string, bool> { [Features.Ntuple] = ntuple });
        }
    }

    private static string Back(bool took, bool wasPutBack) => (took, wasPutBack) switch
    {
        (true, true) => Yes,
        (false, true) => "not as asked",
        _ => "NOT PUT BACK",
    };
}
