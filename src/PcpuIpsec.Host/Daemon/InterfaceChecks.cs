using PcpuIpsec.Client;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Host.Daemon;

/// <summary>What the host's interfaces can and do: MTU, queues, descriptors, offloads.</summary>
internal static class InterfaceChecks
{
    // What Ethernet carries; ESP on less is fragmented or small. Less than the other number carries no IPv6.
    private const int UsualMtu = 1500, LeastMtu = 1280;

    // Packets that wait while a CPU is busy elsewhere, at 10 Gb/s for about a millisecond.
    private const int UsualRing = 1024;

    /// <summary>Those of the calling thread's namespace that are up, but for loopback.</summary>
    public static IReadOnlyList<HostCheck> Run(int cpus)
    {
        using RouteSocket routes = RouteSocket.Open();
        using EthtoolSocket? ethtool = EthtoolSocket.TryOpen();
        Link[] links = [.. routes.Links().Where(l => l.IsUp && !l.Flags.HasFlag(LinkFlags.Loopback)).OrderBy(l => l.Name, StringComparer.Ordinal)];
        if (links.Length == 0)
            return [Check(CheckOutcome.Failure, "interfaces", "no interface is up but loopback", "set up the interface that leads to the peers")];
        return [.. links.SelectMany(l => Of(l, cpus, ethtool))];
    }

    private static IEnumerable<HostCheck> Of(Link link, int cpus, EthtoolSocket? ethtool)
    {
        // A tunnel's is what its path leaves, and ours are set by what ESP takes.
        if (link.Kind is not ("tun" or "xfrm"))
            yield return Mtu(link);
        // Packets come by NICs, and in containers by veth; bridges and tunnels have no queues of their own.
        if (link.Kind is not (null or "veth"))
            yield break;
        yield return Queues(link, ethtool?.Channels(link.Name), cpus);
        if (ethtool?.Rings(link.Name) is { RxMax: > 0 } rings)
            yield return Ring(link, rings);
        if (ethtool?.Features(link.Name) is not { } features)
            yield break;
        foreach (HostCheck check in OfFeatures(link, features))
            yield return check;
    }

    internal static HostCheck Mtu(Link link)
    {
        string name = $"mtu-{link.Name}";
        return link.Mtu switch
        {
            < LeastMtu => Check(CheckOutcome.Failure, name, $"{link.Mtu} is less than {LeastMtu}, which IPv6 and XFRM interfaces need", $"ip link set {link.Name} mtu {UsualMtu}, where the network has it"),
            < UsualMtu => Check(CheckOutcome.Warning, name, $"{link.Mtu} is less than {UsualMtu}", "a larger MTU, where the network has it, means fewer packets"),
            _ => Check(CheckOutcome.Pass, name, $"{link.Mtu}"),
        };
    }

    /// <param name="link">The interface.</param>
    /// <param name="channels">What its driver says; null where it does not, and the kernel's own number counts.</param>
    /// <param name="cpus">How many CPUs are to receive.</param>
    internal static HostCheck Queues(Link link, Channels? channels, int cpus)
    {
        string name = $"queues-{link.Name}";
        int queues = channels?.Receiving ?? link.RxQueues;
        if (queues >= cpus)
            return Check(CheckOutcome.Pass, name, $"{queues} receive queues for {cpus} CPUs");
        string detail = $"{queues} receive queues for {cpus} CPUs: some share one";
        if (channels is null || channels.ReceivingMax <= queues)
            return Check(CheckOutcome.Warning, name, $"{detail}; it has no more", "a NIC, or a virtual machine's setting, with a queue for each CPU");
        string kind = channels.CombinedMax > 0 ? "combined" : "rx";
        int most = channels.CombinedMax > 0 ? channels.CombinedMax : channels.RxMax;
        return Check(CheckOutcome.Warning, name, $"{detail}; it can have {channels.ReceivingMax}", $"ethtool -L {link.Name} {kind} {int.Min(cpus, most)}");
    }

    internal static HostCheck Ring(Link link, Rings rings)
    {
        string name = $"rings-{link.Name}", detail = $"{rings.Rx} of {rings.RxMax} receive descriptors a queue, {rings.Tx} of {rings.TxMax} to send";
        return rings.Rx >= UsualRing || rings.Rx >= rings.RxMax
            ? Check(CheckOutcome.Pass, name, detail)
            : Check(CheckOutcome.Warning, name, $"{detail}: bursts are dropped", $"ethtool -G {link.Name} rx {int.Min(rings.RxMax, 4 * UsualRing)}");
    }

    internal static IEnumerable<HostCheck> OfFeatures(Link link, Features features)
    {
        // Without it each packet of a flow is decrypted and forwarded for itself.
        yield return Wanted(Features.Gro, "gro", "packets of one flow are received one by one");
        yield return Wanted(Features.EspSegmentation, Features.EspSegmentation, "large segments are cut before ESP and not after");
        yield return Told(Features.GroList, "merges packets that are forwarded unchanged; takes effect for forwarded UDP");
        yield return Told(Features.EspOffload, "the CPUs do the cipher: SAs are not given to NICs");
        // Of a veth nobody expects filters.
        if (link.Kind is null)
        {
            yield return features.Active.Contains(Features.Ntuple) || features.Changeable.Contains(Features.Ntuple)
                ? Wanted(Features.Ntuple, "ntuple", "the NIC does not place ESP on a CPU's queue by its SPI")
                : Check(CheckOutcome.Warning, NameOf(Features.Ntuple), "the NIC has no filters that place ESP on a CPU's queue by its SPI", "perCpu.sourcePortPerSa with forceEncapsulation, where the NIC spreads UDP by ports");
        }

        string NameOf(string feature) => $"{feature}-{link.Name}";

        HostCheck Wanted(string feature, string option, string without)
            => features.Active.Contains(feature) ? Check(CheckOutcome.Pass, NameOf(feature), "on")
                : features.Changeable.Contains(feature) ? Check(CheckOutcome.Warning, NameOf(feature), $"off: {without}", $"ethtool -K {link.Name} {option} on")
                : Check(CheckOutcome.Pass, NameOf(feature), "off, and it has none");

        HostCheck Told(string feature, string what)
            => Check(CheckOutcome.Pass, NameOf(feature), features.Active.Contains(feature) ? $"on; {what}" : features.Changeable.Contains(feature) ? $"off, and can be on; {what}" : "off, and it has none");
    }

    private static HostCheck Check(CheckOutcome outcome, string name, string detail, string? advice = null) => new() { Name = name, Outcome = outcome, Detail = detail, Advice = advice };
}
