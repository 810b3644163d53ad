using PcpuIpsec.Client;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary>What does not change while a daemon runs.</summary>
internal sealed record DaemonFacts(string TunnelsFolder, DateTimeOffset Started)
{
    public static string Version { get; } = typeof(DaemonFacts).Assembly.GetName().Version!.ToString(3);

    public DaemonInfo Describe(GatewayStatus status) => new()
    {
        Version = Version,
        ApiVersion = DaemonClient.ApiVersion,
        ProcessId = Environment.ProcessId,
        Started = Started,
        TunnelsFolder = TunnelsFolder,
        DataPlane = status.DataPlane,
        DataPlaneReason = status.DataPlaneReason,
        Cpus = status.Cpus,
        IkeCounters = status.IkeCounters,
        DropCounters = status.DropCounters,
    };
}
