using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>A cmdlet that tunes the daemon's host. With -WhatIf it writes its plan: setting, now, then, why.</summary>
public abstract class TuningCmdlet : DaemonCmdlet
{
    /// <summary>Asks for the change, or with -WhatIf for its plan, and writes what became of each setting.</summary>
    private protected void Tune(string target, string action, Func<DaemonClient, bool, CancellationToken, Task<IReadOnlyList<TuningChange>>> ask)
    {
        bool planOnly = !ShouldProcess(At(target), action);
        // A no to -Confirm asks for nothing, and not for a plan.
        if (planOnly && !IsWhatIf)
            return;
        if (!TryWait("Tuning the host", target, target, (daemon, stop) => ask(daemon, planOnly, stop), out IReadOnlyList<TuningChange> changes))
            return;
        WriteAnswers(changes);
        foreach (TuningChange failed in changes.Where(c => c.Outcome == TuningOutcome.Failed))
            WriteFault(new DaemonException("kernel-refused", $"{failed.Setting}: {failed.Reason}"), failed);
    }

    private bool IsWhatIf => MyInvocation.BoundParameters.TryGetValue("WhatIf", out object? given) ? given is SwitchParameter { IsPresent: true } or true : LanguagePrimitives.IsTrue(GetVariableValue("WhatIfPreference"));
}
