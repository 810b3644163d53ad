using System.Globalization;
using PcpuIpsec.Ethtool;

namespace PcpuIpsec.Tuning;

/// <summary>What ethtool sets of an interface, as settings: each as text that puts back exactly what it was.</summary>
internal sealed class NicSettings(EthtoolSocket ethtool)
{
    public const string Channels = "channels", Rings = "rings", Coalescing = "coalescing", Pause = "pause", Rss = "rss", Feature = "feature", HashFields = "hash-fields", Rule = "rule";

    private const string DefaultTable = "default", On = "on", Off = "off";

    /// <summary>Null where there is no such setting.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="what">Its key's last part.</param>
    public ISetting? Find(string link, string what)
    {
        string key = SettingKeys.OfNic(link, what);
        return what.Split('/') switch
        {
            [Channels] => new NicSetting(key, () => ethtool.Channels(link) is { } now ? Words(("rx", now.Rx), ("tx", now.Tx), ("other", now.Other), ("combined", now.Combined)) : null, value => SetChannels(link, value)),
            [Rings] => new NicSetting(key, () => ethtool.Rings(link) is { } now ? Words(("rx", now.Rx), ("tx", now.Tx)) : null, value => SetRings(link, value)),
            [Coalescing] => new NicSetting(key, () => ethtool.Coalescing(link) is { } now ? Words([.. now.Select(p => (p.Key, p.Value))]) : null, value => ethtool.SetCoalescing(link, Read(value))),
            [Pause] => new NicSetting(key, () => ethtool.Pause(link) is { } now ? Words(("autoneg", Number(now.Autoneg)), ("rx", Number(now.Rx)), ("tx", Number(now.Tx))) : null, value => SetPause(link, value)),
            [Rss] => new NicSetting(key, () => ethtool.Rss(link) is { } now ? Text(now) : null, value => SetRss(link, value)),
            [Feature, var name] => new NicSetting(key, () => ReadFeature(link, name), value => SetFeature(link, name, value)),
            [HashFields, var type] when Enum.TryParse(type, ignoreCase: true, out FlowType flow) => new NicSetting(
                key,
                () => ethtool.HashFields(link, flow) is { } fields ? ((ulong)fields).ToString("x", CultureInfo.InvariantCulture) : null,
                value => ethtool.SetHashFields(link, flow, (HashFields)ulong.Parse(value, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))),
            [Rule, var location] when uint.TryParse(location, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) => new NicSetting(key, () => ReadRule(link, number), value => SetRule(link, number, value)),
            _ => null,
        };
    }

    /// <summary>What of a packet is hashed.</summary>
    public static string OfHashFields(FlowType type) => $"{HashFields}/{type.ToString().ToLowerInvariant()}";

    public static string OfFeature(string name) => $"{Feature}/{name}";

    public static string OfRule(uint location) => string.Create(CultureInfo.InvariantCulture, $"{Rule}/{location}");

    public static string Words(params ReadOnlySpan<(string Name, long Value)> words)
    {
        List<string> text = new(words.Length);
        foreach ((string name, long value) in words)
            text.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {value}"));
        return string.Join(", ", text);
    }

    public static IReadOnlyDictionary<string, long> Read(string words)
        => words.Split(", ").Select(w => w.Split(' ')).ToDictionary(w => w[0], w => long.Parse(w[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);

    public static string Text(Rss rss)
        => string.Create(CultureInfo.InvariantCulture, $"hash {(byte)rss.Hash}, transform {rss.InputTransform}, key {(rss.Key.Length == 0 ? "none" : Convert.ToHexStringLower(rss.Key.AsSpan()))}, table {(rss.HasDefaultTable ? DefaultTable : string.Join(' ', rss.Table))}");

    private static int Number(bool value) => value ? 1 : 0;

    private void SetChannels(string link, string value)
    {
        IReadOnlyDictionary<string, long> wanted = Read(value);
        Channels now = Present(ethtool.Channels(link), link, Channels);
        ethtool.SetChannels(link, now with { Rx = (int)wanted["rx"], Tx = (int)wanted["tx"], Other = (int)wanted["other"], Combined = (int)wanted["combined"] });
    }

    private void SetRings(string link, string value)
    {
        IReadOnlyDictionary<string, long> wanted = Read(value);
        ethtool.SetRings(link, Present(ethtool.Rings(link), link, Rings) with { Rx = (int)wanted["rx"], Tx = (int)wanted["tx"] });
    }

    private void SetPause(string link, string value)
    {
        IReadOnlyDictionary<string, long> wanted = Read(value);
        ethtool.SetPause(link, new Pause(wanted["autoneg"] != 0, wanted["rx"] != 0, wanted["tx"] != 0));
    }

    private void SetRss(string link, string value)
    {
        Dictionary<string, string> words = value.Split(", ").Select(w => w.Split(' ', 2)).ToDictionary(w => w[0], w => w[1], StringComparer.Ordinal);
        Rss now = Present(ethtool.Rss(link), link, Rss);
        bool isDefault = words["table"] == DefaultTable;
        ethtool.SetRss(link, now with
        {
            Hash = (RssHash)byte.Parse(words["hash"], CultureInfo.InvariantCulture),
            InputTransform = byte.Parse(words["transform"], CultureInfo.InvariantCulture),
            Key = words["key"] == "none" ? now.Key : [.. Convert.FromHexString(words["key"])],
            Table = isDefault ? now.Table : words["table"].Length == 0 ? [] : [.. words["table"].Split(' ').Select(q => int.Parse(q, CultureInfo.InvariantCulture))],
        });
        // One that is set forbids to take away the queues that it names, so it is not set to what it would be unset.
        if (isDefault && !now.HasDefaultTable)
            ethtool.ResetRssTable(link);
    }

    /// <summary>What was asked for, which is what is put back; the driver may have more or less of it on.</summary>
    private string? ReadFeature(string link, string name)
        => ethtool.Features(link) is { } features && features.Changeable.Contains(name) ? features.Wanted.Contains(name) ? On : Off : null;

    private void SetFeature(string link, string name, string value)
    {
        FeatureOutcome outcome = ethtool.SetFeatures(link, new Dictionary<string, bool> { [name] = value == On });
        if (outcome.Refused.TryGetValue(name, out string? reason))
            throw new PcpuIpsecException(PcpuIpsecError.KernelRefused, $"{name} of {link} does not become {value}: {reason}");
    }

    /// <summary>None is a value: no rule is there.</summary>
    private string? ReadRule(string link, uint location)
        => ethtool.Rules(link) is { } table ? table.Rules.TryGetValue(location, out FlowRule? rule) ? rule.ToString() : "" : null;

    private void SetRule(string link, uint location, string value)
    {
        // A driver may take two for one place as an error, so what is there goes first.
        if (ReadRule(link, location) is { Length: > 0 })
            ethtool.DeleteRule(link, location);
        if (value.Length > 0)
            ethtool.InsertRule(link, FlowRule.Parse(value));
    }

    private static T Present<T>(T? now, string link, string what) where T : class
        => now ?? throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{link} tells nothing of its {what} any more");

    private sealed class NicSetting(string key, Func<string?> read, Action<string> write) : ISetting
    {
        public string Key => key;

        public string? Read()
        {
            try
            {
                return read();
            }
            catch (PcpuIpsecException e) when (e.Error == PcpuIpsecError.InvalidOption)
            {
                // The interface is not there (any more).
                return null;
            }
        }

        public void Write(string value) => write(value);
    }
}
