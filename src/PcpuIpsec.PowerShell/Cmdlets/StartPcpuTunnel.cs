using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Initiates a tunnel that is down and waits until its fallback Child SA carries traffic. One that is up stays as it is. Ctrl-C gives the wait up; the daemon goes on trying for as long as it would.</summary>
/// <example>
/// <code>Start-PcpuTunnel lab -AllChildSa</code>
/// <para>Waits until each CPU has its Child SA, too.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Start, "PcpuTunnel", SupportsShouldProcess = true)]
[OutputType(typeof(Tunnel))]
public sealed class StartPcpuTunnel : NamedTunnelCmdlet
{
    /// <summary>Wait until each CPU has its Child SA, or was refused one by the peer.</summary>
    [Parameter]
    public SwitchParameter AllChildSa { get; set; }

    /// <summary>Starts each.</summary>
    protected override void ProcessRecord()
    {
        foreach (string name in Expand(Name))
        {
            if (ShouldProcess(At(name), "Initiate the tunnel")
                && TryWait("Starting tunnels", $"{name}: waiting for the peer", name, (daemon, stop) => daemon.StartTunnelAsync(name, AllChildSa, stop), out TunnelChange change))
            {
                WriteChange(change.Tunnel!, change.Changed);
            }
        }
    }
}
