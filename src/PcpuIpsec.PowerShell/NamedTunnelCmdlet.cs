using System.Management.Automation;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell;

/// <summary>A cmdlet that changes tunnels by their names.</summary>
public abstract class NamedTunnelCmdlet : DaemonCmdlet
{
    /// <summary>The tunnels' names, with wildcards.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Name { get; set; } = [];
}
