using System.Diagnostics;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Lab;

/// <summary>Clears labs away: our own at the end, and those whose owner was killed.</summary>
internal static class LabJanitor
{
    private static readonly TimeSpan _killTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _abandonedAfter = TimeSpan.FromMinutes(1);

    /// <summary>Clears every lab whose owner lives no more; the identifiers of those.</summary>
    /// <param name="folder">Where the labs are recorded.</param>
    public static IReadOnlyList<string> Clean(string folder = LabState.DefaultFolder)
    {
        if (!Directory.Exists(folder))
            return [];
        // Of one killed while it wrote, before it had made anything.
        foreach (string path in Directory.EnumerateFiles(folder, "*.tmp"))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(path) > _abandonedAfter)
                File.Delete(path);
        }
        var cleaned = new List<string>();
        foreach (string path in Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal))
        {
            if (LabState.Load(path) is not { } state || state.Owner.IsAlive)
                continue;
            Clear(state, folder);
            cleaned.Add(state.Id);
        }
        return cleaned;
    }

    /// <inheritdoc cref="Clean"/>
    public static Task<IReadOnlyList<string>> CleanAsync(string folder = LabState.DefaultFolder) => Task.Run(() => Clean(folder));

    /// <summary>Kills what is inside the lab, deletes its namespaces, forgets it. Repeating it does no harm.</summary>
    internal static void Clear(LabState state, string folder)
    {
        foreach (string name in state.Namespaces)
        {
            KillProcesses(name);
            NetworkNamespace.Delete(name);
        }
        // Last, so that a failure before is tried again at the next start.
        File.Delete($"{folder}/{state.Id}.tmp");
        File.Delete(LabState.PathOf(folder, state.Id));
    }

    private static void KillProcesses(string namespaceName)
    {
        long start = Stopwatch.GetTimestamp();
        while (NetworkNamespace.ProcessesIn(namespaceName) is { Count: > 0 } pids)
        {
            if (Stopwatch.GetElapsedTime(start) > _killTimeout)
            {
                throw new PcpuIpsecException(PcpuIpsecError.HostUnable,
                    $"The processes {string.Join(", ", pids)} in the network namespace {namespaceName} do not die of SIGKILL.");
            }
            foreach (int pid in pids)
                _ = Libc.Kill(pid, Libc.SIGKILL); // ESRCH: it was faster.
            Thread.Sleep(5);
        }
    }
}
