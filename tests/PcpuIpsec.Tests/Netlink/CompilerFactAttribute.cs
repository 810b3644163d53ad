namespace PcpuIpsec.Tests.Netlink;

/// <summary>A test that asks a C compiler what the kernel's headers say; skipped where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class CompilerFactAttribute : FactAttribute
{
    public CompilerFactAttribute()
    {
        if (Compiler is null || !File.Exists("/usr/include/linux/rtnetlink.h"))
            Skip = "needs a C compiler (cc) and the kernel's headers (linux-libc-dev)";
    }

    internal static string? Compiler { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
        .Select(folder => Path.Combine(folder, "cc")).FirstOrDefault(File.Exists);
}
