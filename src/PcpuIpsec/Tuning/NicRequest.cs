namespace PcpuIpsec.Tuning;

/// <summary>What somebody wants an interface to be; what is null stays.</summary>
internal sealed record NicRequest
{
    public int? Channels { get; init; }

    public int? RxRing { get; init; }

    public int? TxRing { get; init; }

    public IReadOnlyDictionary<string, long>? Coalescing { get; init; }

    public IReadOnlyDictionary<string, bool>? Features { get; init; }

    /// <exception cref="PcpuIpsecException">The interface does not have it, or not so much of it.</exception>
    public IEnumerable<Wish> WishesFor(NicState nic)
    {
        if (Channels is { } count)
            yield return ChannelsOf(nic, count);
        if (RxRing is not null || TxRing is not null)
            yield return RingsOf(nic);
        if (Coalescing is { Count: > 0 })
            yield return CoalescingOf(nic, Coalescing);
        foreach ((string name, bool value) in Features ?? new Dictionary<string, bool>())
        {
            if (nic.Features is not { } features || !features.Changeable.Contains(name))
                throw Bad($"feature '{name}'", nic, nic.Features is { } known ? $"those that can be changed, {string.Join(", ", known.Changeable.Order(StringComparer.Ordinal))}" : "none, since its driver tells of none");
            yield return new Wish(SettingKeys.OfNic(nic.Link, NicSettings.OfFeature(name)), value ? "on" : "off", "asked for");
        }
    }

    private static Wish ChannelsOf(NicState nic, int count)
    {
        if (nic.Channels is not { } now)
            throw Bad("channels", nic, "none, since its driver tells of none");
        bool combined = now.CombinedMax > 0;
        int most = combined ? now.CombinedMax : Math.Min(now.RxMax, now.TxMax);
        if (count < 1 || count > most)
            throw Bad($"channels = {count}", nic, $"1 to {most}");
        return new Wish(
            SettingKeys.OfNic(nic.Link, NicSettings.Channels),
            NicSettings.Words(("rx", combined ? now.Rx : count), ("tx", combined ? now.Tx : count), ("other", now.Other), ("combined", combined ? count : now.Combined)),
            "asked for")
        {
            Disturbs = nic.DisturbedByChannels,
        };
    }

    private Wish RingsOf(NicState nic)
    {
        if (nic.Rings is not { } now)
            throw Bad("descriptors", nic, "none, since its driver tells of none");
        if (RxRing is { } rx && (rx < 1 || rx > now.RxMax))
            throw Bad($"rxRing = {rx}", nic, $"1 to {now.RxMax}");
        if (TxRing is { } tx && (tx < 1 || tx > now.TxMax))
            throw Bad($"txRing = {tx}", nic, $"1 to {now.TxMax}");
        return new Wish(SettingKeys.OfNic(nic.Link, NicSettings.Rings), NicSettings.Words(("rx", RxRing ?? now.Rx), ("tx", TxRing ?? now.Tx)), "asked for");
    }

    private static Wish CoalescingOf(NicState nic, IReadOnlyDictionary<string, long> wanted)
    {
        IReadOnlyDictionary<string, long> now = nic.Coalescing ?? throw Bad("coalescing", nic, "none, since its driver tells of none");
        foreach (string name in wanted.Keys)
        {
            if (!now.ContainsKey(name))
                throw Bad($"coalescing '{name}'", nic, string.Join(", ", now.Keys));
        }
        return new Wish(SettingKeys.OfNic(nic.Link, NicSettings.Coalescing), NicSettings.Words([.. now.Select(p => (p.Key, wanted.GetValueOrDefault(p.Key, p.Value)))]), "asked for");
    }

    private static PcpuIpsecException Bad(string what, NicState nic, string allowed)
        => new(PcpuIpsecError.InvalidOption, $"{nic.Link}: {what} is not allowed; allowed: {allowed}");
}
