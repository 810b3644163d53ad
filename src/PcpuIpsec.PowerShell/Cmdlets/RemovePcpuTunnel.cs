using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Deletes a tunnel's SAs at both ends and forgets it. Its traffic goes unprotected from then on.</summary>
/// <example>
/// <code>Remove-PcpuTunnel lab -Confirm:$false</code>
/// <para>Removes one tunnel without asking.</para>
/// </example>
[Cmdlet(VerbsCommon.Remove, "PcpuTunnel", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemovePcpuTunnel : NamedTunnelCmdlet
{
    /// <summary>Removes each.</summary>
    protected override void ProcessRecord()
    {
        foreach (string name in Expand(Name))
        {
            if (ShouldProcess(At(name), "Delete the tunnel's SAs and let its traffic go unprotected"))
                TryWait("Removing tunnels", $"{name}: telling the peer", name, (daemon, stop) => daemon.DeleteTunnelAsync(name, stop), out TunnelChange _);
        }
    }
}
