namespace PcpuIpsec.KernelTests.Vm;

internal static class Shell
{
    /// <summary>A word that the shell takes as it is.</summary>
    public static string Quote(string word) => "'" + word.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
