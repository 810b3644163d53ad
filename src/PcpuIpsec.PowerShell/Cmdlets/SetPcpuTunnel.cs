using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>
/// Changes a tunnel's declaration in what is given. Its SAs are negotiated anew; what the old and the new declaration both cover
/// is held meanwhile. Where nothing is different nothing is changed.
/// </summary>
/// <example>
/// <code>Set-PcpuTunnel lab -ReplayWindow 1024</code>
/// <para>A larger anti-replay window.</para>
/// </example>
[Cmdlet(VerbsCommon.Set, "PcpuTunnel", SupportsShouldProcess = true)]
[OutputType(typeof(Tunnel))]
public sealed class SetPcpuTunnel : TunnelDefinitionCmdlet
{
    /// <summary>The tunnel's name.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = "";

    /// <summary>Our outer address; one of the host's.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(AddressCompleter))]
    [ValidateNotNullOrEmpty]
    public string? LocalAddress { get; set; }

    /// <summary>The peer's outer address.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? RemoteAddress { get; set; }

    /// <summary>Changes one tunnel.</summary>
    protected override void ProcessRecord()
    {
        if (ShouldProcess(Name, "Change the tunnel and negotiate its SAs anew") && TryWait("Changing tunnels", Name, Name, UpdateAsync, out TunnelChange change))
            WriteChange(change.Tunnel!, change.Changed);
    }

    private async Task<TunnelChange> UpdateAsync(DaemonClient daemon, CancellationToken stop)
    {
        Tunnel before = await daemon.GetTunnelAsync(Name, stop).ConfigureAwait(false);
        TunnelDefinition definition = Apply(before.Definition);
        definition = definition with { LocalAddress = LocalAddress ?? definition.LocalAddress, RemoteAddress = RemoteAddress ?? definition.RemoteAddress };
        using (definition.PreSharedKey)
            return await daemon.UpdateTunnelAsync(definition, stop).ConfigureAwait(false);
    }
}
