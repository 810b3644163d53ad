using System.Globalization;
using PcpuIpsec.Host;

namespace PcpuIpsec.Tuning;

/// <summary>A CPU and where it is.</summary>
/// <param name="Cpu">Its number.</param>
/// <param name="Node">Its NUMA node.</param>
/// <param name="Package">Its socket.</param>
/// <param name="Siblings">The CPUs of its core, itself among them: more than one is SMT.</param>
/// <param name="IsIsolated">Taken from the scheduler (isolcpus, or a cpuset partition).</param>
/// <param name="Governor">What chooses its frequency; null where nothing does.</param>
internal sealed record CpuPlace(int Cpu, int Node, int Package, IReadOnlyList<int> Siblings, bool IsIsolated, string? Governor);

/// <summary>The CPUs that are online, as the kernel tells of them in sysfs.</summary>
internal static class CpuTopology
{
    public static IReadOnlyList<CpuPlace> Read(HostFiles files)
    {
        IReadOnlyList<int> online = List(files.Sys("devices/system/cpu/online"));
        HashSet<int> isolated = [.. List(files.Sys("devices/system/cpu/isolated")), .. List(files.Sys("fs/cgroup/cpuset.cpus.isolated"))];
        Dictionary<int, int> nodes = [];
        foreach (string name in HostFiles.Names(files.Sys("devices/system/node")).Where(n => n.StartsWith("node", StringComparison.Ordinal)))
        {
            if (int.TryParse(name.AsSpan(4), CultureInfo.InvariantCulture, out int node))
            {
                foreach (int cpu in List(files.Sys($"devices/system/node/{name}/cpulist")))
                    nodes[cpu] = node;
            }
        }
        return [.. online.Select(cpu =>
        {
            string folder = files.Sys($"devices/system/cpu/cpu{cpu}");
            _ = int.TryParse(HostFiles.TryRead($"{folder}/topology/physical_package_id"), CultureInfo.InvariantCulture, out int package);
            IReadOnlyList<int> siblings = List($"{folder}/topology/thread_siblings_list");
            return new CpuPlace(cpu, nodes.GetValueOrDefault(cpu), package, siblings.Count == 0 ? [cpu] : siblings, isolated.Contains(cpu), HostFiles.TryRead($"{folder}/cpufreq/scaling_governor"));
        })];
    }

    private static IReadOnlyList<int> List(string path) => CpuList.Parse(HostFiles.TryRead(path) ?? "", path);
}
