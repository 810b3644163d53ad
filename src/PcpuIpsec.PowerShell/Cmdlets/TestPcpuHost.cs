using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Looks at what the daemon's host is and lacks: kernel, ESP, instructions, interrupts, isolation, and of its interfaces MTU, queues, descriptors and offloads. Changes nothing.</summary>
/// <example>
/// <code>Test-PcpuHost | Where-Object Outcome -ne Pass | Format-List</code>
/// <para>What could be better, and what to do.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "PcpuHost")]
[OutputType(typeof(HostCheck))]
public sealed class TestPcpuHost : DaemonCmdlet
{
    /// <summary>Writes each check.</summary>
    protected override void ProcessRecord()
    {
        if (TryAsk(null, (daemon, stop) => daemon.GetHostChecksAsync(stop), out IReadOnlyList<HostCheck> checks))
            WriteAnswers(checks);
    }
}
