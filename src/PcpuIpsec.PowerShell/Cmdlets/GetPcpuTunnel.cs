using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Tells of tunnels: where they stand, how they are declared, and their SAs.</summary>
/// <example>
/// <code>Get-PcpuTunnel</code>
/// <para>All tunnels.</para>
/// </example>
/// <example>
/// <code>Get-PcpuTunnel lab* | Where-Object State -eq Up</code>
/// <para>Those that are up and whose name begins with lab.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "PcpuTunnel")]
[OutputType(typeof(Tunnel))]
public sealed class GetPcpuTunnel : DaemonCmdlet
{
    /// <summary>Names, with wildcards; all tunnels unless given.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Name { get; set; } = ["*"];

    /// <summary>Writes those that match.</summary>
    protected override void ProcessRecord()
    {
        if (!TryAsk(null, (daemon, stop) => daemon.GetTunnelsAsync(stop), out IReadOnlyList<Tunnel> tunnels))
            return;
        foreach (string name in Name)
        {
            var pattern = new WildcardPattern(name, WildcardOptions.IgnoreCase);
            Tunnel[] found = [.. tunnels.Where(t => pattern.IsMatch(t.Name))];
            WriteAnswers(found);
            if (found.Length == 0 && !WildcardPattern.ContainsWildcardCharacters(name))
                WriteFault(new DaemonException("not-found", $"There is no tunnel '{name}'."), name);
        }
    }
}
