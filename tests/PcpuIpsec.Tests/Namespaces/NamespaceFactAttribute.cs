namespace PcpuIpsec.Tests.Namespaces;

/// <summary>A test in namespaces of its own; skipped where the process may not make any.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NamespaceFactAttribute : FactAttribute
{
    public NamespaceFactAttribute(params string[] programs)
    {
        if (Missing(programs) is { } missing)
            Skip = missing;
    }

    internal static string? Missing(string[] programs)
    {
        // capability.h: CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_SYS_ADMIN 21.
        const ulong Needed = (1UL << 12) | (1UL << 13) | (1UL << 21);
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("CapEff:", StringComparison.Ordinal));
        if ((Convert.ToUInt64(line[7..].Trim(), 16) & Needed) != Needed)
            return "needs CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW";
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        return programs.FirstOrDefault(p => !folders.Any(f => File.Exists(Path.Combine(f, p)))) is { } program ? $"needs {program}" : null;
    }
}

/// <summary>A theory in namespaces of its own; skipped where the process may not make any.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NamespaceTheoryAttribute : TheoryAttribute
{
    public NamespaceTheoryAttribute()
    {
        if (NamespaceFactAttribute.Missing(["ip"]) is { } missing)
            Skip = missing;
    }
}
