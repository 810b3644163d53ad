using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>
/// Tunes interfaces and host for IPsec: a queue for each CPU, its IRQ there, sending by that CPU's queue, room for bursts, few interrupts, large
/// socket buffers. What a driver refuses is left out, and named. Each setting is noted on disk first; Restore-IpsecHost puts all of it back.
/// What is for people to decide, such as the MTU, is advised.
/// </summary>
/// <example>
/// <code>Optimize-IpsecHost -WhatIf | Format-Table Setting, Before, After, Why</code>
/// <para>The plan; nothing is changed.</para>
/// </example>
[Cmdlet(VerbsCommon.Optimize, "IpsecHost", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(TuningChange))]
public sealed class OptimizeIpsecHost : TuningCmdlet
{
    /// <summary>The interfaces; all that are up and have queues of their own unless given.</summary>
    [Parameter(Position = 0)]
    [ArgumentCompleter(typeof(NicCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Name { get; set; }

    /// <summary>The CPUs that work on queues, in the order of queues; all that are not isolated unless given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(CpuCompleter))]
    public int[]? Cpu { get; set; }

    /// <summary>Tunes.</summary>
    protected override void ProcessRecord()
        => Tune(Name is null ? "this host" : string.Join(", ", Name), "Tune for IPsec", (daemon, planOnly, stop) => daemon.OptimizeHostAsync(new OptimizeRequest { Nics = Name, Cpus = Cpu }, planOnly, stop));
}

/// <summary>
/// Puts back everything that was changed on the host by the other cmdlets, what was changed last first: after success, after a daemon that was
/// killed, after a boot, which undoes most of it. What cannot be put back is named, and tried again the next time.
/// </summary>
/// <example>
/// <code>Restore-IpsecHost -WhatIf</code>
/// <para>What would be put back.</para>
/// </example>
[Cmdlet(VerbsData.Restore, "IpsecHost", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(TuningChange))]
public sealed class RestoreIpsecHost : TuningCmdlet
{
    /// <summary>Puts it back.</summary>
    protected override void ProcessRecord() => Tune("this host", "Put back what was tuned", (daemon, planOnly, stop) => daemon.RestoreHostAsync(planOnly, stop));
}
