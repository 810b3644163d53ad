using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Tells of Child SAs: one row for each CPU and one for the fallback, with SPIs and what went through.</summary>
/// <example>
/// <code>Get-PcpuChildSa lab | Sort-Object Cpu | Format-Table Cpu, BytesIn, BytesOut</code>
/// <para>How the traffic is spread over the CPUs.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "PcpuChildSa")]
[OutputType(typeof(ChildSa))]
public sealed class GetPcpuChildSa : DaemonCmdlet
{
    /// <summary>The tunnels' names, with wildcards; all tunnels unless given.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Name")]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[]? Tunnel { get; set; }

    /// <summary>Only those of these CPUs; of all of them and the fallback unless given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(CpuCompleter))]
    public int[]? Cpu { get; set; }

    /// <summary>Writes each.</summary>
    protected override void ProcessRecord()
    {
        IEnumerable<string?> tunnels = [null];
        if (Tunnel is not null)
            tunnels = Expand(Tunnel);
        foreach (string? tunnel in tunnels)
        {
            if (TryAsk(tunnel, (daemon, stop) => daemon.GetChildSasAsync(tunnel, stop), out IReadOnlyList<ChildSa> children))
                WriteAnswers(children.Where(c => Cpu is null || (c.Cpu is { } cpu && Cpu.Contains(cpu))));
        }
    }
}
