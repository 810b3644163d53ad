using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>
/// Makes four hosts in network namespaces, sunset – west = east – sunrise, with a daemon at west and at east, to try tunnels on
/// one machine. They are there until Remove-PcpuLab, and at most as long as this session. Needs root.
/// </summary>
/// <example>
/// <code>$lab = New-PcpuLab; Get-PcpuDaemon -Socket $lab.West.Socket</code>
/// <para>The daemon of the left gateway.</para>
/// </example>
[Cmdlet(VerbsCommon.New, "PcpuLab", SupportsShouldProcess = true)]
[OutputType(typeof(Lab))]
public sealed class NewPcpuLab : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stop = new();

    /// <summary>What carries the packets: the kernel, ESP in user space, or the better one of what the host has.</summary>
    [Parameter]
    [ValidateSet("Auto", "Kernel", "Embedded")]
    public string DataPlane { get; set; } = "Auto";

    /// <summary>Frees what the cmdlet holds.</summary>
    public void Dispose() => _stop.Dispose();

    /// <summary>Called on another thread, by Ctrl-C.</summary>
    protected override void StopProcessing() => _stop.Cancel();

    /// <summary>Makes one.</summary>
    protected override void ProcessRecord()
    {
        if (!ShouldProcess("sunset – west = east – sunrise", "Make four hosts in network namespaces"))
            return;
        const string Making = "Making a lab";
        this.Say(Making, "four hosts and two daemons");
        try
        {
            WriteObject(SessionLabs.NewAsync(DataPlane, _stop.Token).GetAwaiter().GetResult());
        }
        catch (DaemonException e)
        {
            WriteError(new ErrorRecord(e, ErrorIds.IdOf(e.Error), ErrorCategory.ResourceUnavailable, null));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
        this.SayDone(Making);
    }
}

/// <summary>Takes labs of this session down: their daemons end, and their namespaces are deleted.</summary>
/// <example>
/// <code>Remove-PcpuLab</code>
/// <para>All labs of this session.</para>
/// </example>
[Cmdlet(VerbsCommon.Remove, "PcpuLab", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(void))]
public sealed class RemovePcpuLab : PSCmdlet
{
    /// <summary>The labs' ids; all of this session unless given.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(LabCompleter))]
    public string[]? Id { get; set; }

    /// <summary>Takes each down.</summary>
    protected override void ProcessRecord()
    {
        foreach (string id in Id ?? [.. SessionLabs.All.Select(l => l.Id)])
        {
            if (ShouldProcess(id, "Take the lab down") && !SessionLabs.Remove(id))
                WriteError(new ErrorRecord(new DaemonException("not-found", $"This session has no lab '{id}'."), "NotFound", ErrorCategory.ObjectNotFound, id));
        }
    }
}
