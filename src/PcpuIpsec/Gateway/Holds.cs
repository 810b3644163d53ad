using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp;
using PcpuIpsec.Netlink;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Gateway;

/// <summary>Traffic that is held in a network namespace under the name of a tunnel, of which a hash alone is known.</summary>
/// <param name="NameHash">The name's <see cref="ConnectionHash"/>.</param>
/// <param name="Traffic">From where to where: "10.1.0.0/24 to 10.2.0.0/24".</param>
internal sealed record NamelessHold(uint NameHash, IReadOnlyList<string> Traffic)
{
    private const int MostShown = 4;

    public bool IsOf(string name) => ConnectionHash.Of(name) == NameHash;

    public override string ToString()
        => string.Join(", ", Traffic.Take(MostShown)) + (Traffic.Count > MostShown ? $" and {Traffic.Count - MostShown} more" : "");
}

/// <summary>What both data planes hold in the calling thread's network namespace, whoever made it.</summary>
internal static class Holds
{
    private const uint HashMask = 0x0fff_ffff;

    /// <summary>What is held by other tunnels than these: a program's that runs, or left by one that ended.</summary>
    public static IReadOnlyList<NamelessHold> BesideThoseOf(IEnumerable<string> names)
    {
        HashSet<uint> known = [.. names.Select(ConnectionHash.Of)];
        return
        [
            .. OfKernel().Concat(OfRules()).Where(h => !known.Contains(h.Hash)).GroupBy(h => h.Hash, h => h.Traffic)
                .Select(g => new NamelessHold(g.Key, [.. g.Distinct()])),
        ];
    }

    // One that protects leaves by its template; what is behind it, or passes it, goes with it.
    private static List<(uint Hash, string Traffic)> OfKernel()
    {
        XfrmSocket xfrm;
        try
        {
            xfrm = KernelSupport.OpenSocket();
        }
        catch (PcpuIpsecException)
        {
            // A kernel without IPsec holds nothing by it.
            return [];
        }
        using (xfrm)
        {
            return
            [
                .. from policy in xfrm.Policies()
                   where policy.Direction == XfrmPolicyDirection.Out
                   let id = KernelIds.RequestIdOf(policy)
                   where id is not null
                   select (id.Value & HashMask, $"{policy.Selector.Source} to {policy.Selector.Destination}"),
            ];
        }
    }

    private static List<(uint Hash, string Traffic)> OfRules()
    {
        using RouteSocket routes = RouteSocket.Open();
        return
        [
            .. from rule in routes.Rules()
               where rule.Protocol == TrafficHold.Protocol && rule.Priority == TrafficHold.PolicyPriority && (rule.Table & ~HashMask) == TrafficHold.FirstTable
               // The twins for packets that have no source yet say nothing more.
               where rule.InputInterface is null && rule.From != new IPNetwork(IPAddress.Any, 32)
               select (rule.Table & HashMask, $"{Text(rule.From)} to {Text(rule.To)}"),
        ];

        static string Text(IPNetwork? network) => network?.ToString() ?? "everything";
    }
}
