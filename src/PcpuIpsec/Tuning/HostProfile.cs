using System.Globalization;
using PcpuIpsec.Ethtool;

namespace PcpuIpsec.Tuning;

/// <summary>
/// What a gateway for IPsec wants of its interfaces and of the host: one queue a CPU, each worked on by that CPU alone, room for
/// bursts, few interrupts. Pure: what is there in, wishes out. docs/tuning.md has why, and the sources.
/// </summary>
internal static class HostProfile
{
    /// <summary>Descriptors a ring: what 10 Gb/s of small packets bring within 0.3 ms. More of them fall out of the CPU's cache.</summary>
    private const int RingLength = 4096;

    /// <summary>An interrupt a microsecond is what a CPU drowns in; 30 µs are less than a TCP flow notices.</summary>
    private const int LeastRxMicroseconds = 30;

    /// <summary>Bytes that a socket may ask for: a second's worth of 10 Gb/s at 10 ms, in both directions.</summary>
    private const long SocketBuffer = 16 << 20;

    /// <summary>First the number of queues: what else there is to set follows from it.</summary>
    public static IEnumerable<Wish> Channels(NicState nic, int cpus)
    {
        if (nic.Channels is not { } now)
            yield break;
        int combined = now.CombinedMax > 0 ? Math.Min(cpus, now.CombinedMax) : now.Combined;
        int rx = now.CombinedMax > 0 ? now.Rx : Math.Min(cpus, now.RxMax), tx = now.CombinedMax > 0 ? now.Tx : Math.Min(cpus, now.TxMax);
        yield return new Wish(
            SettingKeys.OfNic(nic.Link, NicSettings.Channels),
            NicSettings.Words(("rx", rx), ("tx", tx), ("other", now.Other), ("combined", combined)),
            $"a queue for each of {cpus} CPUs, as far as the driver has them",
            IsOptional: true)
        {
            Disturbs = nic.DisturbedByChannels,
        };
    }

    /// <summary>Then what each queue and the interface are to be.</summary>
    /// <param name="nic">As it is with its queues.</param>
    /// <param name="cpus">The CPUs that work on queues, in the order of queues.</param>
    /// <param name="online">All CPUs: each of them sends.</param>
    public static IEnumerable<Wish> Of(NicState nic, IReadOnlyList<int> cpus, IReadOnlyList<int> online)
        => Queues(nic, cpus, online).Concat(OfRings(nic)).Concat(OfCoalescing(nic)).Concat(OfFeatures(nic));

    /// <summary>Queue i to CPU i of the list, from its beginning where there are more queues.</summary>
    public static IEnumerable<Wish> Irqs(NicState nic, IReadOnlyList<int> cpus, bool isOptional)
    {
        foreach (NicIrq irq in nic.Irqs.Where(i => i.Queue is not null))
        {
            int cpu = cpus[irq.Queue!.Value % cpus.Count];
            yield return new Wish(SettingKeys.OfIrq(nic.Link, irq.Action), CpuMask.Format([cpu]), $"queue {irq.Queue} is CPU {cpu}'s", isOptional);
        }
    }

    /// <summary>What is the host's, given what it has.</summary>
    /// <param name="read">A sysctl's value; null where there is none.</param>
    public static IEnumerable<Wish> OfHost(Func<string, string?> read)
    {
        foreach ((string name, long least, string why) in ((string, long, string)[])
        [
            ("net.core.rmem_max", SocketBuffer, "what a receiving socket may ask for"),
            ("net.core.wmem_max", SocketBuffer, "what a sending socket may ask for"),
            ("net.core.netdev_max_backlog", 10_000, "packets that wait for a CPU which another one hands them to (RPS, decapsulated ESP)"),
            ("net.core.netdev_budget", 600, "packets that a CPU takes from its queues before others have their turn"),
        ])
        {
            if (read(name) is { } now && long.TryParse(now, CultureInfo.InvariantCulture, out long value) && value < least)
                yield return new Wish(SettingKeys.OfSysctl(name), least.ToString(CultureInfo.InvariantCulture), why, IsOptional: true);
        }
        foreach (string name in (string[])["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"])
        {
            // Least, first and most, of which the last is raised.
            if (read(name)?.Split(['\t', ' '], StringSplitOptions.RemoveEmptyEntries) is [var least, var first, var most] && long.Parse(most, CultureInfo.InvariantCulture) < SocketBuffer)
                yield return new Wish(SettingKeys.OfSysctl(name), string.Create(CultureInfo.InvariantCulture, $"{least}\t{first}\t{SocketBuffer}"), "how far TCP's own window may grow", IsOptional: true);
        }
    }

    private static IEnumerable<Wish> Queues(NicState nic, IReadOnlyList<int> cpus, IReadOnlyList<int> online)
    {
        string[] rx = [.. nic.Queues.Where(q => q.StartsWith("rx-", StringComparison.Ordinal))], tx = [.. nic.Queues.Where(q => q.StartsWith("tx-", StringComparison.Ordinal))];
        foreach (Wish wish in Irqs(nic, cpus, isOptional: true))
            yield return wish;
        for (int queue = 0; tx.Length > 1 && queue < tx.Length; queue++)
        {
            // The CPU that sends is the one that frees what was sent; CPUs without a queue of their own share.
            int[] senders = [.. online.Where(c => QueueOf(c, cpus, online, tx.Length) == queue)];
            yield return new Wish(SettingKeys.OfQueue(nic.Link, tx[queue], "xps_cpus"), CpuMask.Format(senders), $"CPU {string.Join(", ", senders)} sends by queue {queue}", IsOptional: true);
        }
        if (rx.Length < cpus.Count)
            yield break;
        foreach (string queue in rx)
            yield return new Wish(SettingKeys.OfQueue(nic.Link, queue, "rps_cpus"), "0", "each CPU has a queue: none hands packets on", IsOptional: true);
    }

    private static int QueueOf(int cpu, IReadOnlyList<int> cpus, IReadOnlyList<int> online, int queues)
    {
        int place = cpus.ToList().IndexOf(cpu);
        return (place >= 0 ? place : cpus.Count + online.Except(cpus).ToList().IndexOf(cpu)) % queues;
    }

    private static IEnumerable<Wish> OfRings(NicState nic)
    {
        if (nic.Rings is not { } now)
            yield break;
        int rx = Math.Max(now.Rx, Math.Min(RingLength, now.RxMax)), tx = Math.Max(now.Tx, Math.Min(RingLength, now.TxMax));
        yield return new Wish(SettingKeys.OfNic(nic.Link, NicSettings.Rings), NicSettings.Words(("rx", rx), ("tx", tx)), "room for what comes while a CPU is busy elsewhere", IsOptional: true);
    }

    private static IEnumerable<Wish> OfCoalescing(NicState nic)
    {
        if (nic.Coalescing is not { Count: > 0 } now)
            yield break;
        var wanted = now.ToDictionary(StringComparer.Ordinal);
        if (wanted.ContainsKey("adaptive-rx"))
            wanted["adaptive-rx"] = 1;
        else if (wanted.TryGetValue("rx-usecs", out long microseconds))
            wanted["rx-usecs"] = Math.Max(microseconds, LeastRxMicroseconds);
        yield return new Wish(SettingKeys.OfNic(nic.Link, NicSettings.Coalescing), NicSettings.Words([.. wanted.Select(p => (p.Key, p.Value))]), "an interrupt for many packets, not for each", IsOptional: true);
    }

    private static IEnumerable<Wish> OfFeatures(NicState nic)
    {
        foreach ((string name, bool value, string why) in ((string, bool, string)[])
        [
            (Features.Gro, true, "the stack takes segments of a flow together, also of what ESP carried"),
            ("rx-lro", false, "what the NIC put together cannot be forwarded"),
        ])
        {
            if (nic.Features is { } features && features.Changeable.Contains(name))
                yield return new Wish(SettingKeys.OfNic(nic.Link, NicSettings.OfFeature(name)), value ? "on" : "off", why, IsOptional: true);
        }
    }
}
