using System.Text.Json;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>A folder of declared tunnels as it looks from beside the daemon.</summary>
internal static class DeclaredTunnels
{
    public const string DefaultFolder = "/etc/pcpu-ipsec/tunnels.d";

    /// <summary>The tunnels' names; none where the folder is not there or not to be read.</summary>
    public static IReadOnlyList<string> Names(string folder) => [.. Files(folder, "*.json").Select(f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal)];

    /// <summary>A tunnel's traffic, as daemons write it; none where its declaration cannot be read.</summary>
    public static IReadOnlyList<string> TrafficOf(string folder, string name)
    {
        try
        {
            TunnelDefinition? tunnel = JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(folder, name + ".json")), WireJson.Default.TunnelDefinition);
            return tunnel is null ? [] : [.. from here in Side(tunnel.LocalSelectors, tunnel.LocalAddress) from there in Side(tunnel.RemoteSelectors, tunnel.RemoteAddress) select $"{here} to {there}"];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return [];
        }

        static IReadOnlyList<string> Side(IReadOnlyList<string>? selectors, string address) => selectors is { Count: > 0 } ? selectors : [address];
    }

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
