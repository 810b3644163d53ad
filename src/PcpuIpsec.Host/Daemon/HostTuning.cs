using PcpuIpsec.Ethtool;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tuning;
using Wire = PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>What of the host is tuned, in the daemon's network namespace, and how it is.</summary>
internal static class HostTuning
{
    private static readonly FlowType[] _hashed = [FlowType.Tcp4, FlowType.Udp4, FlowType.Esp4, FlowType.AhEsp4, FlowType.Ip4, FlowType.Tcp6, FlowType.Udp6, FlowType.Esp6, FlowType.AhEsp6, FlowType.Ip6];

    public static IReadOnlyList<Wire.NicTuning> Nics()
    {
        using HostTuner tuner = HostTuner.OfThisNamespace();
        return [.. Links(tuner).Select(l => ToWire(tuner, NicState.Read(tuner.Files, tuner.Ethtool, l)))];
    }

    public static IReadOnlyList<Wire.IrqAffinity> Irqs()
    {
        using HostTuner tuner = HostTuner.OfThisNamespace();
        return [.. Links(tuner).SelectMany(l => NicIrqs.Of(tuner.Files, l.Name).Select(i => ToWire(tuner, l.Name, i)))];
    }

    public static IReadOnlyList<Wire.TuningChange> Tune(string nic, Wire.NicTuningRequest request, bool planOnly)
    {
        using HostTuner tuner = HostTuner.OfThisNamespace();
        var wanted = new NicRequest { Channels = request.Channels, RxRing = request.RxRing, TxRing = request.TxRing, Coalescing = request.Coalescing, Features = request.Features };
        IReadOnlyList<Wish> wishes = [.. wanted.WishesFor(StateOf(tuner, nic))];
        return ToWire(planOnly ? tuner.Plan(wishes) : tuner.Apply(() => wishes));
    }

    public static IReadOnlyList<Wire.TuningChange> SetIrqs(string nic, Wire.IrqAffinityRequest request, bool planOnly)
    {
        using HostTuner tuner = HostTuner.OfThisNamespace();
        NicState state = StateOf(tuner, nic);
        IReadOnlyList<int> cpus = IrqPlan.CpusOf((IrqPolicy)request.Policy, CpuTopology.Read(tuner.Files), state.NumaNode, request.Cpus);
        if (!state.Irqs.Any(i => i.Queue is not null))
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{nic}: it has no IRQs of its own for queues{(state.Irqs.Count == 0 ? "" : $", only {string.Join(", ", state.Irqs.Select(i => i.Action))}")}");
        IReadOnlyList<Wish> wishes = [.. IrqBalanceLeaves(tuner, [state]), .. HostProfile.Irqs(state, cpus, isOptional: false)];
        return ToWire(planOnly ? tuner.Plan(wishes) : tuner.Apply(() => wishes));
    }

    public static IReadOnlyList<Wire.TuningChange> Optimize(Wire.OptimizeRequest request, bool planOnly)
    {
        using HostTuner tuner = HostTuner.OfThisNamespace();
        string[] nics = [.. request.Nics?.Distinct() ?? Links(tuner).Where(l => l.IsUp && l.Kind is null or "veth").Select(l => l.Name)];
        if (nics.Length == 0)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "nics: none is up that has queues of its own; allowed are names of interfaces");
        IReadOnlyList<CpuPlace> places = CpuTopology.Read(tuner.Files);
        IReadOnlyList<int> cpus = IrqPlan.CpusOf(IrqPolicy.Spread, places, node: -1, request.Cpus);
        int[] online = [.. places.Select(p => p.Cpu)];
        NicState[] before = [.. nics.Select(n => StateOf(tuner, n))];
        IEnumerable<Wish> Rest()
        {
            // What there is to set follows from the channels that there are now.
            NicState[] now = [.. nics.Select(n => StateOf(tuner, n))];
            return [.. IrqBalanceLeaves(tuner, now), .. now.SelectMany(n => HostProfile.Of(n, cpus, online)), .. HostProfile.OfHost(s => tuner.Settings.Find(SettingKeys.OfSysctl(s)).Read())];
        }
        IEnumerable<Wish> Channels() => before.SelectMany(n => HostProfile.Channels(n, cpus.Count));
        IReadOnlyList<TuningResult> results = planOnly ? tuner.Plan([.. Channels(), .. Rest()]) : tuner.Apply(Channels, Rest);
        return [.. ToWire(results), .. before.SelectMany(n => HostAdvice.Of(n)).Concat(HostAdvice.Of(places)).Select(ToWire)];
    }

    public static IReadOnlyList<Wire.TuningChange> Restore(bool planOnly)
    {
        using HostTuner tuner = HostTuner.OfThisNamespace();
        return ToWire(planOnly ? tuner.PlanRestore() : tuner.Restore());
    }

    private static IEnumerable<Wish> IrqBalanceLeaves(HostTuner tuner, IReadOnlyList<NicState> nics)
    {
        if (tuner.Settings.Find(IrqBalance.SettingKey).Read() is { } banned)
            yield return new Wish(IrqBalance.SettingKey, IrqBalance.With(banned, nics.SelectMany(n => n.Irqs).Select(i => i.Number)), "irqbalance leaves these IRQs where they are put", IsOptional: true);
    }

    private static IEnumerable<Link> Links(HostTuner tuner)
    {
        using RouteSocket routes = RouteSocket.Open();
        // A name in sysfs is this namespace's where its number is, too.
        return [.. routes.Links().Where(l => !l.Flags.HasFlag(LinkFlags.Loopback) && HostFiles.TryRead(tuner.Files.OfLink(l.Name, "ifindex")) == $"{l.Index}").OrderBy(l => l.Name, StringComparer.Ordinal)];
    }

    private static NicState StateOf(HostTuner tuner, string nic)
    {
        using RouteSocket routes = RouteSocket.Open();
        if (routes.Links().Find(l => l.Name == nic) is not { } link)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"'{nic}' is no interface; allowed are {string.Join(", ", routes.Links().Select(l => l.Name).Order(StringComparer.Ordinal))}");
        return HostFiles.TryRead(tuner.Files.OfLink(nic, "ifindex")) == $"{link.Index}" ? NicState.Read(tuner.Files, tuner.Ethtool, link)
            : throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"/sys is another network namespace's, where '{nic}' is not this one: start the daemon by 'ip netns exec', which mounts the right one.");
    }

    private static Wire.NicTuning ToWire(HostTuner tuner, NicState nic)
    {
        FlowRuleTable? rules = tuner.Ethtool?.Rules(nic.Link);
        return new Wire.NicTuning
        {
            Name = nic.Link,
            IsUp = nic.IsUp,
            Mtu = nic.Mtu,
            Driver = nic.Driver?.Name,
            DriverVersion = nic.Driver?.Version,
            Firmware = nic.Driver?.Firmware,
            BusAddress = nic.Driver?.BusAddress,
            NumaNode = nic.NumaNode < 0 ? null : nic.NumaNode,
            Channels = nic.Channels is { } c ? new Wire.NicChannels(c.Rx, c.RxMax, c.Tx, c.TxMax, c.Combined, c.CombinedMax) : null,
            Rings = nic.Rings is { } r ? new Wire.NicRings(r.Rx, r.RxMax, r.Tx, r.TxMax) : null,
            Coalescing = nic.Coalescing,
            Features = nic.Features?.Changeable.Order(StringComparer.Ordinal).ToDictionary(f => f, nic.Features.Active.Contains),
            Rss = nic.Rss is { } rss ? new Wire.NicRss($"{rss.Hash}".ToLowerInvariant(), Convert.ToHexStringLower(rss.Key.AsSpan()), rss.Table, HashFields(tuner.Ethtool!, nic.Link)) : null,
            RuleCapacity = rules?.Capacity,
            Rules = rules?.Rules.OrderBy(r => r.Key).Select(r => r.Value.Describe()).ToArray(),
            Pause = nic.Pause is { } p ? new Wire.NicPause(p.Autoneg, p.Rx, p.Tx, p.RxFrames, p.TxFrames) : null,
            Queues = [.. nic.Queues.Select(q => QueueOf(tuner, nic, q))],
            Counters = tuner.Ethtool?.Statistics(nic.Link) ?? new Dictionary<string, ulong>(),
        };
    }

    private static Dictionary<string, string> HashFields(EthtoolSocket ethtool, string link)
    {
        Dictionary<string, string> fields = [];
        foreach (FlowType type in _hashed)
        {
            if (ethtool.HashFields(link, type) is { } hashed)
                fields.Add($"{type}".ToLowerInvariant(), $"{hashed}");
        }
        return fields;
    }

    private static Wire.NicQueue QueueOf(HostTuner tuner, NicState nic, string queue)
    {
        bool receives = queue.StartsWith("rx-", StringComparison.Ordinal);
        IrqUse use = receives ? IrqUse.Rx : IrqUse.Tx;
        NicIrq? irq = nic.Irqs.FirstOrDefault(i => i.Queue is { } number && i.Use.HasFlag(use) && queue[3..] == $"{number}");
        return new Wire.NicQueue(
            queue,
            irq is null ? null : Cpus(tuner.Files.Proc($"irq/{irq.Number}/smp_affinity")),
            receives ? Cpus(tuner.Files.OfLink(nic.Link, $"queues/{queue}/rps_cpus")) : null,
            receives ? null : Cpus(tuner.Files.OfLink(nic.Link, $"queues/{queue}/xps_cpus")));
    }

    private static Wire.IrqAffinity ToWire(HostTuner tuner, string link, NicIrq irq) => new()
    {
        Nic = link,
        Irq = irq.Number,
        Action = irq.Action,
        Use = $"{irq.Use}".ToLowerInvariant(),
        Queue = irq.Queue,
        Cpus = Cpus(tuner.Files.Proc($"irq/{irq.Number}/smp_affinity")) ?? [],
        EffectiveCpus = Cpus(tuner.Files.Proc($"irq/{irq.Number}/effective_affinity")) ?? [],
    };

    private static IReadOnlyList<int>? Cpus(string path) => HostFiles.TryRead(path) is { Length: > 0 } mask ? CpuMask.Parse(mask) : null;

    private static IReadOnlyList<Wire.TuningChange> ToWire(IReadOnlyList<TuningResult> results) => [.. results.Select(ToWire)];

    private static Wire.TuningChange ToWire(TuningResult r)
        => new() { Setting = r.Key, Before = r.Before, After = r.After, Outcome = (Wire.TuningOutcome)r.Outcome, Why = r.Why, Reason = r.Reason };
}
