using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Gives a Child SA new keys (rekeying, RFC 7296) and waits until they are in use.</summary>
/// <example>
/// <code>Get-PcpuChildSa lab | Update-PcpuChildSa</code>
/// <para>New keys for each of a tunnel's Child SAs.</para>
/// </example>
[Cmdlet(VerbsData.Update, "PcpuChildSa", SupportsShouldProcess = true)]
[OutputType(typeof(ChildSa))]
public sealed class UpdatePcpuChildSa : NumberedChildSaCmdlet
{
    /// <summary>Rekeys one.</summary>
    protected override void ProcessRecord()
    {
        if (ShouldProcess(At($"Child SA {Number} of {Tunnel}"), "Negotiate new keys")
            && TryWait("Rekeying Child SAs", $"{Tunnel}: Child SA {Number}", Number, (daemon, stop) => daemon.RekeyChildSaAsync(Tunnel, Number, stop), out ChildSa child))
        {
            WriteAnswer(child);
        }
    }
}
