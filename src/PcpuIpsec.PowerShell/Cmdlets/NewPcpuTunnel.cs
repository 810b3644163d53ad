using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>
/// Declares a tunnel: from then on its traffic is held, and leaves protected or not at all. The daemon remembers it, so that it
/// outlives this session and the host's next boot. Where the tunnel is declared alike already nothing is changed.
/// </summary>
/// <example>
/// <code>New-PcpuTunnel -Name lab -LocalAddress 10.0.0.1 -RemoteAddress 10.0.0.2 -LocalSelector 10.1.0.0/24 -RemoteSelector 10.2.0.0/24 -PreSharedKey (ConvertTo-SecureString 'the same key at both ends' -AsPlainText) -PerCpu</code>
/// <para>A tunnel with one Child SA for each CPU. At the other end the addresses and selectors are the other way round.</para>
/// </example>
[Cmdlet(VerbsCommon.New, "PcpuTunnel", SupportsShouldProcess = true)]
[OutputType(typeof(Tunnel))]
public sealed class NewPcpuTunnel : TunnelDefinitionCmdlet
{
    /// <summary>The tunnel's name: 1 to 64 of letters, digits, -, _ and .</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = "";

    /// <summary>Our outer address; one of the host's.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(AddressCompleter))]
    [ValidateNotNullOrEmpty]
    public string LocalAddress { get; set; } = "";

    /// <summary>The peer's outer address.</summary>
    [Parameter(Mandatory = true, Position = 2, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string RemoteAddress { get; set; } = "";

    /// <summary>Initiate it, too, and wait until it carries traffic.</summary>
    [Parameter]
    public SwitchParameter Start { get; set; }

    /// <summary>Declares one tunnel.</summary>
    protected override void ProcessRecord()
    {
        if (!ShouldProcess(Name, "Declare the tunnel and hold its traffic"))
            return;
        if (!TryAsk(Name, CreateAsync, out TunnelChange created))
            return;
        bool changed = created.Changed;
        Tunnel tunnel = created.Tunnel!;
        if (Start && TryWait("Starting tunnels", $"{Name}: waiting for the peer", Name, (daemon, stop) => daemon.StartTunnelAsync(Name, allChildSas: false, stop), out TunnelChange started))
            (changed, tunnel) = (changed || started.Changed, started.Tunnel!);
        WriteChange(tunnel, changed);
    }

    private async Task<TunnelChange> CreateAsync(DaemonClient daemon, CancellationToken stop)
    {
        TunnelDefinition definition = Apply(new TunnelDefinition { Name = Name, LocalAddress = LocalAddress, RemoteAddress = RemoteAddress });
        using (definition.PreSharedKey)
            return await daemon.CreateTunnelAsync(definition, stop).ConfigureAwait(false);
    }
}
