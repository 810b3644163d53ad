using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Moves a Child SA to another CPU by rekeying it there, and waits until the new one is in use. The fallback is no CPU's and cannot be moved.</summary>
/// <example>
/// <code>Get-PcpuChildSa lab -Cpu 0 | Move-PcpuChildSa -ToCpu 1</code>
/// <para>What CPU 0 had is CPU 1's.</para>
/// </example>
[Cmdlet(VerbsCommon.Move, "PcpuChildSa", SupportsShouldProcess = true)]
[OutputType(typeof(ChildSa))]
public sealed class MovePcpuChildSa : NumberedChildSaCmdlet
{
    /// <summary>The CPU; one of the data plane's.</summary>
    [Parameter(Mandatory = true, Position = 2)]
    [ArgumentCompleter(typeof(CpuCompleter))]
    public int ToCpu { get; set; }

    /// <summary>Moves one.</summary>
    protected override void ProcessRecord()
    {
        if (ShouldProcess(At($"Child SA {Number} of {Tunnel}"), $"Move to CPU {ToCpu}")
            && TryWait("Moving Child SAs", $"{Tunnel}: Child SA {Number} to CPU {ToCpu}", Number, (daemon, stop) => daemon.MoveChildSaAsync(Tunnel, Number, ToCpu, stop), out ChildSa child))
        {
            WriteAnswer(child);
        }
    }
}
