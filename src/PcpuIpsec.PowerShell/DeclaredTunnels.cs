namespace PcpuIpsec.PowerShell;

/// <summary>A folder of declared tunnels as it looks from beside the daemon.</summary>
internal static class DeclaredTunnels
{
    public const string DefaultFolder = "/etc/pcpu-ipsec/tunnels.d";

    /// <summary>The tunnels' names; none where the folder is not there or not to be read.</summary>
    public static IReadOnlyList<string> Names(string folder) => [.. Files(folder, "*.json").Select(f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal)];

    /// <summary>Deletes the keys that came in requests, and leaves the declarations.</summary>
    public static void DeleteKeys(string folder)
    {
        // One that was not yet in its place is a key, too.
        foreach (string key in Files(folder, "*.key").Concat(Files(folder, "*.key.tmp")))
            File.Delete(key);
    }

    private static string[] Files(string folder, string pattern)
    {
        try
        {
            return Directory.GetFiles(folder, pattern);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
