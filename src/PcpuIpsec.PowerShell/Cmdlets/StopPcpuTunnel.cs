using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Deletes a tunnel's SAs at both ends. It stays declared and its traffic held: nothing leaves until it is started again.</summary>
/// <example>
/// <code>Stop-PcpuTunnel lab</code>
/// <para>The tunnel is down, and nothing leaves in clear.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Stop, "PcpuTunnel", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(Tunnel))]
public sealed class StopPcpuTunnel : NamedTunnelCmdlet
{
    /// <summary>Stops each.</summary>
    protected override void ProcessRecord()
    {
        foreach (string name in Name)
        {
            if (ShouldProcess(name, "Delete the tunnel's SAs; its traffic stays held")
                && TryWait("Stopping tunnels", $"{name}: telling the peer", name, (daemon, stop) => daemon.StopTunnelAsync(name, stop), out TunnelChange change))
            {
                WriteChange(change.Tunnel!, change.Changed);
            }
        }
    }
}
