using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>
/// Changes a tunnel's declaration in what is given: the rest stays, and what is given as $null is as if it had never been given. With
/// a definition all of it is declared anew. Its SAs are negotiated anew; what the old and the new declaration both cover
/// is held meanwhile. Where nothing is different nothing is changed.
/// </summary>
/// <example>
/// <code>Set-PcpuTunnel lab -ReplayWindow 1024</code>
/// <para>A larger anti-replay window.</para>
/// </example>
/// <example>
/// <code>Set-PcpuTunnel lab -EspSuite $null</code>
/// <para>The suites that a tunnel has that was declared with none.</para>
/// </example>
[Cmdlet(VerbsCommon.Set, "PcpuTunnel", SupportsShouldProcess = true, DefaultParameterSetName = FieldsSet)]
[OutputType(typeof(Tunnel))]
public sealed class SetPcpuTunnel : TunnelDefinitionCmdlet
{
    /// <summary>The tunnel's name.</summary>
    [Parameter(ParameterSetName = FieldsSet, Mandatory = true, Position = 0)]
    [Parameter(ParameterSetName = DefinitionSet, Position = 0)]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>Our outer address; one of the host's.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(AddressCompleter))]
    [ValidateNotNullOrEmpty]
    public string? LocalAddress { get; set; }

    /// <summary>The peer's outer address.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? RemoteAddress { get; set; }

    /// <summary>Changes one tunnel.</summary>
    protected override void ProcessRecord()
    {
        TunnelDefinition? source = null;
        string? piped = (Definition as PSObject)?.BaseObject as string ?? Definition as string;
        try
        {
            // A name alone is what it is told by.
            source = Definition is null || piped is not null ? null : DefinitionReader.Read(Definition);
        }
        catch (DaemonException fault)
        {
            WriteFault(fault, Definition);
            return;
        }
        string name = Name ?? piped ?? source!.Name;
        if (ShouldProcess(At(name), "Change the tunnel and negotiate its SAs anew") && TryWait("Changing tunnels", name, name, (daemon, stop) => UpdateAsync(daemon, name, source, stop), out TunnelChange change))
            WriteChange(change.Tunnel!, change.Changed);
    }

    private async Task<TunnelChange> UpdateAsync(DaemonClient daemon, string name, TunnelDefinition? source, CancellationToken stop)
    {
        source ??= (await daemon.GetTunnelAsync(name, stop).ConfigureAwait(false)).Definition;
        TunnelDefinition definition = Apply(source, out PreSharedKey? key) with { Name = name, LocalAddress = LocalAddress ?? source.LocalAddress, RemoteAddress = RemoteAddress ?? source.RemoteAddress };
        using (key)
            return await daemon.UpdateTunnelAsync(definition, stop).ConfigureAwait(false);
    }
}
