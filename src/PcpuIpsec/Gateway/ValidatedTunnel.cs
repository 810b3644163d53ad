using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

/// <summary>A tunnel whose options were found right, in the terms of the protocol and the data plane. Owns its copy of the pre-shared key.</summary>
internal sealed record ValidatedTunnel(
    IkeConnection Connection,
    TrafficPolicy Policy,
    Secret PreSharedKey,
    StartAction StartAction,
    string RemoteIdText,
    IReadOnlyList<string> Warnings) : IDisposable
{
    public string Name => Connection.Name;

    /// <summary>In what words its faults are told.</summary>
    public OptionWords Words { get; init; } = OptionWords.Library;

    public void Dispose() => PreSharedKey.Dispose();
}
