using System.Net;
using System.Security.Cryptography;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Tests.Gateway;

internal static class TestTunnels
{
    public const int IkePort = 15500;
    public const int NatTraversalPort = 15501;

    /// <summary>A loopback address that no other test has: all of 127/8 is this host's.</summary>
    public static IPAddress FreshLoopback()
        => new([127, (byte)RandomNumberGenerator.GetInt32(1, 255), (byte)RandomNumberGenerator.GetInt32(1, 255), (byte)RandomNumberGenerator.GetInt32(1, 255)]);

    public static TunnelOptions East() => new()
    {
        Name = "east",
        LocalAddress = IPAddress.Parse("10.0.0.1"),
        RemoteAddress = IPAddress.Parse("10.0.0.2"),
        LocalSelectors = ["192.0.1.0/24"],
        RemoteSelectors = ["192.0.2.0/24"],
        PreSharedKey = Secret.CopyOf("a key for tests alone"u8),
    };

    public static TunnelOptions OnLoopback(string name = "east") => East() with
    {
        Name = name,
        LocalAddress = FreshLoopback(),
        RemoteAddress = FreshLoopback(),
        IkePort = IkePort,
        NatTraversalPort = NatTraversalPort,
    };
}
