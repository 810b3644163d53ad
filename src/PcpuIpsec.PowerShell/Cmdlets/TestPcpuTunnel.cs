using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>
/// Looks whether each CPU has a Child SA of its own and what went through it meanwhile, at both ends where the other end's
/// daemon can be asked. Sends nothing itself.
/// </summary>
/// <example>
/// <code>Test-PcpuTunnel lab -Seconds 5</code>
/// <para>Which Child SA carried what within 5 seconds.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "PcpuTunnel")]
[OutputType(typeof(TunnelCheckResult))]
public sealed class TestPcpuTunnel : DaemonCmdlet
{
    /// <summary>The tunnels' names.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = [];

    /// <summary>How long it is looked at.</summary>
    [Parameter]
    [ValidateRange(0.0, 3600.0)]
    public double Seconds { get; set; } = 1;

    /// <summary>The socket of the other end's daemon, where it is on this host (in another namespace, or forwarded by ssh -L).</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? PeerSocket { get; set; }

    /// <summary>The tunnel's name at the other end, where it is another.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? PeerName { get; set; }

    /// <summary>Looks at each.</summary>
    protected override void ProcessRecord()
    {
        DaemonClient? peer = PeerSocket is null ? null : DaemonSession.ClientOf(GetUnresolvedProviderPathFromPSPath(PeerSocket));
        foreach (string name in Name)
        {
            if (TryAsk(name, (daemon, stop) => RunAsync(daemon, peer, name, stop), out IReadOnlyList<TunnelCheckResult> results))
                WriteObject(results, enumerateCollection: true);
        }
    }

    private async Task<IReadOnlyList<TunnelCheckResult>> RunAsync(DaemonClient daemon, DaemonClient? peer, string name, CancellationToken stop)
    {
        DaemonInfo info = await daemon.GetInfoAsync(stop).ConfigureAwait(false);
        Tunnel? peerBefore = await PeerAsync().ConfigureAwait(false);
        Tunnel before = await daemon.GetTunnelAsync(name, stop).ConfigureAwait(false);
        await Task.Delay(TimeSpan.FromSeconds(Seconds), stop).ConfigureAwait(false);
        Tunnel after = await daemon.GetTunnelAsync(name, stop).ConfigureAwait(false);
        return [.. TunnelCheck.Run(info.Cpus, before, after, peerBefore, await PeerAsync().ConfigureAwait(false))];

        async Task<Tunnel?> PeerAsync() => peer is null ? null : await peer.GetTunnelAsync(PeerName ?? name, stop).ConfigureAwait(false);
    }
}
