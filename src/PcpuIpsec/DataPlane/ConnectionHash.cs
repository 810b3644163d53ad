using System.Text;

namespace PcpuIpsec.DataPlane;

/// <summary>What a connection's name becomes in numbers that outlive the process: the next one finds by them what a killed one left.</summary>
internal static class ConnectionHash
{
    /// <summary>28 bits: FNV-1a of the name.</summary>
    public static uint Of(string connection)
    {
        uint hash = 2166136261;
        foreach (byte b in Encoding.UTF8.GetBytes(connection))
            hash = (hash ^ b) * 16777619;
        return hash & 0x0fff_ffff;
    }
}
