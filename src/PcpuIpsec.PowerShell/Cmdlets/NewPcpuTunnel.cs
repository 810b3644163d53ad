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
/// <example>
/// <code>(Get-PcpuTunnel lab).Definition | New-PcpuTunnel -Name copy -RemoteAddress 10.0.0.3 -RemoteSelector 10.3.0.0/24 -PreSharedKey (ConvertTo-SecureString 'another key' -AsPlainText)</code>
/// <para>A tunnel to another gateway that is else declared like the first.</para>
/// </example>
[Cmdlet(VerbsCommon.New, "PcpuTunnel", SupportsShouldProcess = true, DefaultParameterSetName = FieldsSet)]
[OutputType(typeof(Tunnel))]
public sealed class NewPcpuTunnel : TunnelDefinitionCmdlet
{
    /// <summary>The tunnel's name: 1 to 64 of letters, digits, -, _ and .</summary>
    [Parameter(ParameterSetName = FieldsSet, Mandatory = true, Position = 0)]
    [Parameter(ParameterSetName = DefinitionSet, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>Our outer address; one of the host's.</summary>
    [Parameter(ParameterSetName = FieldsSet, Mandatory = true, Position = 1)]
    [Parameter(ParameterSetName = DefinitionSet, Position = 1)]
    [ArgumentCompleter(typeof(AddressCompleter))]
    [ValidateNotNullOrEmpty]
    public string? LocalAddress { get; set; }

    /// <summary>The peer's outer address.</summary>
    [Parameter(ParameterSetName = FieldsSet, Mandatory = true, Position = 2)]
    [Parameter(ParameterSetName = DefinitionSet, Position = 2)]
    [ValidateNotNullOrEmpty]
    public string? RemoteAddress { get; set; }

    /// <summary>Initiate it, too, and wait until it carries traffic.</summary>
    [Parameter]
    public SwitchParameter Start { get; set; }

    /// <summary>Declares one tunnel.</summary>
    protected override void ProcessRecord()
    {
        TunnelDefinition? source = null;
        try
        {
            source = Definition is null ? null : DefinitionReader.Read(Definition);
        }
        catch (DaemonException fault)
        {
            WriteFault(fault, Definition);
            return;
        }
        string name = Name ?? source!.Name;
        if (!ShouldProcess(At(name), "Declare the tunnel and hold its traffic"))
            return;
        if (!TryAsk(name, (daemon, stop) => CreateAsync(daemon, name, source, stop), out TunnelChange created))
            return;
        bool changed = created.Changed;
        Tunnel tunnel = created.Tunnel!;
        if (Start && TryWait("Starting tunnels", $"{name}: waiting for the peer", name, (daemon, stop) => daemon.StartTunnelAsync(name, allChildSas: false, stop), out TunnelChange started))
            (changed, tunnel) = (changed || started.Changed, started.Tunnel!);
        WriteChange(tunnel, changed);
    }

    private async Task<TunnelChange> CreateAsync(DaemonClient daemon, string name, TunnelDefinition? source, CancellationToken stop)
    {
        source ??= new TunnelDefinition { Name = name, LocalAddress = LocalAddress!, RemoteAddress = RemoteAddress! };
        TunnelDefinition definition = Apply(source, out PreSharedKey? key) with { Name = name, LocalAddress = LocalAddress ?? source.LocalAddress, RemoteAddress = RemoteAddress ?? source.RemoteAddress };
        using (key)
        {
            await CheckKeyFileAsync(daemon, definition, stop).ConfigureAwait(false);
            return await daemon.CreateTunnelAsync(definition, stop).ConfigureAwait(false);
        }
    }

    /// <summary>A key that came in a request is in a file of its tunnel, and goes with it: a copy of the tunnel would fail at the daemon's next start.</summary>
    private static async Task CheckKeyFileAsync(DaemonClient daemon, TunnelDefinition definition, CancellationToken stop)
    {
        if (definition.PreSharedKeyFile is not { } file || Path.GetExtension(file) != ".key" || Path.GetFileNameWithoutExtension(file) == definition.Name)
            return;
        DaemonInfo info = await daemon.GetInfoAsync(stop).ConfigureAwait(false);
        if (Path.GetDirectoryName(file) == Path.TrimEndingDirectorySeparator(info.TunnelsFolder))
            throw new DaemonException("invalid-option", $"PreSharedKeyFile: '{file}' is another tunnel's and goes with it; allowed: PreSharedKey, or a file beside that folder");
    }
}
