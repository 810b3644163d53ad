using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Deletes a tunnel's SAs at both ends. Its traffic stays held, and the next packet of it, or the peer, brings the tunnel up again; Remove-PcpuTunnel is for good.</summary>
/// <example>
/// <code>Stop-PcpuTunnel lab</code>
/// <para>Its SAs are deleted and nothing leaves in clear; the next packet brings it up again.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Stop, "PcpuTunnel", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(Tunnel))]
public sealed class StopPcpuTunnel : NamedTunnelCmdlet
{
    /// <summary>Stops each.</summary>
    protected override void ProcessRecord()
    {
        foreach (string name in Expand(Name))
        {
            if (ShouldProcess(At(name), "Delete the tunnel's SAs; its traffic stays held")
                && TryWait("Stopping tunnels", $"{name}: telling the peer", name, (daemon, stop) => daemon.StopTunnelAsync(name, stop), out TunnelChange change))
            {
                WriteChange(change.Tunnel!, change.Changed);
            }
        }
    }
}
