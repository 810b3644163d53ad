using System.Management.Automation;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell;

/// <summary>A cmdlet that changes one Child SA.</summary>
public abstract class NumberedChildSaCmdlet : DaemonCmdlet
{
    /// <summary>The tunnel's name.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string Tunnel { get; set; } = "";

    /// <summary>The Child SA's number, as Get-PcpuChildSa tells it.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ChildSaNumberCompleter))]
    public int Number { get; set; }
}
