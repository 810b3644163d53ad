using System.Diagnostics;
using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

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
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(250);

    /// <summary>The tunnels' names.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = [];

    /// <summary>How long it is looked at; 1 unless given.</summary>
    [Parameter]
    [ValidateRange(0.0, 3600.0)]
    public double Seconds { get; set; } = 1;

    /// <summary>The socket of the other end's daemon, where it is on this host (in another namespace, or forwarded by ssh -L).</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? PeerSocket { get; set; }

    /// <summary>The tunnel's name at the other end, where it is another; the same unless given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(PeerTunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string? PeerName { get; set; }

    /// <summary>Looks at each.</summary>
    protected override void ProcessRecord()
    {
        DaemonClient? peer = PeerSocket is null ? null : DaemonSession.ClientOf(GetUnresolvedProviderPathFromPSPath(PeerSocket));
        foreach (string name in Name)
        {
            if (!TryAsk(name, (daemon, stop) => LookAsync(daemon, peer, name, peerFirst: true, stop), out Look before))
                continue;
            Watch(name);
            if (TryAsk(name, (daemon, stop) => LookAsync(daemon, peer, name, peerFirst: false, stop), out Look after))
                WriteAnswers(TunnelCheck.Run(after.Cpus, before.Tunnel, after.Tunnel, before.Peer, after.Peer));
        }
    }

    /// <summary>The other end first before and last after: what is on its way is not missing there.</summary>
    private async Task<Look> LookAsync(DaemonClient daemon, DaemonClient? peer, string name, bool peerFirst, CancellationToken stop)
    {
        DaemonInfo info = await daemon.GetInfoAsync(stop).ConfigureAwait(false);
        Tunnel? other = peerFirst ? await PeerAsync().ConfigureAwait(false) : null;
        Tunnel tunnel = await daemon.GetTunnelAsync(name, stop).ConfigureAwait(false);
        return new Look(info.Cpus, tunnel, other ?? await PeerAsync().ConfigureAwait(false));

        async Task<Tunnel?> PeerAsync() => peer is null ? null : await peer.GetTunnelAsync(PeerName ?? name, stop).ConfigureAwait(false);
    }

    private void Watch(string name)
    {
        var total = TimeSpan.FromSeconds(Seconds);
        const string Testing = "Testing tunnels";
        long began = Stopwatch.GetTimestamp();
        for (TimeSpan left = total; left > TimeSpan.Zero; left = total - Stopwatch.GetElapsedTime(began))
        {
            this.Say(Testing, $"{name}: counting what each CPU's Child SA carries", (int)(100 * (1 - left / total)), (int)Math.Ceiling(left.TotalSeconds));
            if (StopToken.WaitHandle.WaitOne(left < _tick ? left : _tick))
                throw new PipelineStoppedException();
        }
        this.SayDone(Testing);
    }

    private sealed record Look(IReadOnlyList<int> Cpus, Tunnel Tunnel, Tunnel? Peer);
}
