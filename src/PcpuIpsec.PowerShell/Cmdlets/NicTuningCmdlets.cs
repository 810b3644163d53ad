using System.Collections;
using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Tells how interfaces of the daemon's namespace are tuned: driver, NUMA node, queues, descriptors, coalescing, features, hashing, rules, flow control and counters.</summary>
/// <example>
/// <code>Get-NicTuning | Format-Table Name, Driver, NumaNode, Channels</code>
/// <para>The queues of all interfaces.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NicTuning")]
[OutputType(typeof(NicTuning))]
public sealed class GetNicTuning : DaemonCmdlet
{
    /// <summary>Interfaces, with wildcards; all unless given.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(NicCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Name { get; set; } = ["*"];

    /// <summary>Writes those that match.</summary>
    protected override void ProcessRecord()
    {
        if (!TryAsk(null, (daemon, stop) => daemon.GetNicsAsync(stop), out IReadOnlyList<NicTuning> nics))
            return;
        foreach (string name in Name)
        {
            var pattern = new WildcardPattern(name);
            NicTuning[] found = [.. nics.Where(n => pattern.IsMatch(n.Name))];
            WriteAnswers(found);
            if (found.Length == 0 && !WildcardPattern.ContainsWildcardCharacters(name))
                WriteFault(new DaemonException("not-found", $"There is no interface '{name}'; there are {string.Join(", ", nics.Select(n => n.Name))}."), name);
        }
    }
}

/// <summary>
/// Changes an interface: the number of its queues, descriptors, coalescing, features. Each setting is noted on disk before it is changed;
/// Restore-IpsecHost puts it back. Where one is refused nothing is changed.
/// </summary>
/// <example>
/// <code>Set-NicTuning -Name lo -Feature @{ 'rx-gro' = $true } -WhatIf</code>
/// <para>What would be changed, as a table: setting, now, then, why.</para>
/// </example>
[Cmdlet(VerbsCommon.Set, "NicTuning", SupportsShouldProcess = true)]
[OutputType(typeof(TuningChange))]
public sealed class SetNicTuning : TuningCmdlet
{
    /// <summary>The interfaces.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(NicCompleter))]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = [];

    /// <summary>Queues: combined ones where the driver has them, else as many to receive as to send.</summary>
    [Parameter]
    [ValidateRange(1, 8192)]
    public int? Channel { get; set; }

    /// <summary>Descriptors of a receiving queue.</summary>
    [Parameter]
    [ValidateRange(1, 1 << 20)]
    public int? RxRing { get; set; }

    /// <summary>Descriptors of a sending queue.</summary>
    [Parameter]
    [ValidateRange(1, 1 << 20)]
    public int? TxRing { get; set; }

    /// <summary>When it interrupts, by ethtool's names: @{ 'rx-usecs' = 30 }.</summary>
    [Parameter]
    public Hashtable? Coalescing { get; set; }

    /// <summary>What it does itself, by ethtool's names: @{ 'rx-gro' = $true }.</summary>
    [Parameter]
    public Hashtable? Feature { get; set; }

    /// <summary>Changes each.</summary>
    protected override void ProcessRecord()
    {
        var request = new NicTuningRequest
        {
            Channels = Channel,
            RxRing = RxRing,
            TxRing = TxRing,
            Coalescing = Read<long>(Coalescing),
            Features = Read<bool>(Feature),
        };
        foreach (string name in Name)
            Tune(name, "Change the interface", (daemon, planOnly, stop) => daemon.TuneNicAsync(name, request, planOnly, stop));
    }

    private static Dictionary<string, T>? Read<T>(Hashtable? table)
        => table?.Cast<DictionaryEntry>().ToDictionary(e => $"{e.Key}", e => LanguagePrimitives.ConvertTo<T>(e.Value), StringComparer.Ordinal);
}

/// <summary>Tells where the IRQs of interfaces go.</summary>
/// <example>
/// <code>Get-IrqAffinity | Where-Object Queue -eq 0</code>
/// <para>Those of first queues.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "IrqAffinity")]
[OutputType(typeof(IrqAffinity))]
public sealed class GetIrqAffinity : DaemonCmdlet
{
    /// <summary>Interfaces, with wildcards; all unless given.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(NicCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Name { get; set; } = ["*"];

    /// <summary>Writes each.</summary>
    protected override void ProcessRecord()
    {
        if (TryAsk(null, (daemon, stop) => daemon.GetIrqsAsync(stop), out IReadOnlyList<IrqAffinity> irqs))
            WriteAnswers(irqs.Where(i => Name.Any(n => new WildcardPattern(n).IsMatch(i.Nic))));
    }
}

/// <summary>
/// Has the IRQs of an interface go to CPUs, one queue each, and read back where they went. irqbalance, where it runs, is told to leave
/// them there. Restore-IpsecHost puts them back.
/// </summary>
/// <example>
/// <code>Get-NicTuning | Where-Object Driver -eq igb | Set-IrqAffinity -Policy NumaLocal -WhatIf</code>
/// <para>Where the IRQs of all NICs of a kind would go.</para>
/// </example>
[Cmdlet(VerbsCommon.Set, "IrqAffinity", SupportsShouldProcess = true)]
[OutputType(typeof(TuningChange))]
public sealed class SetIrqAffinity : TuningCmdlet
{
    /// <summary>The interfaces.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(NicCompleter))]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = [];

    /// <summary>Over all CPUs that are not isolated, over those of the interface's NUMA node, or all to one.</summary>
    [Parameter]
    public IrqPolicy Policy { get; set; }

    /// <summary>The CPUs to choose from, in the order of queues; all that are not isolated unless given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(CpuCompleter))]
    public int[]? Cpu { get; set; }

    /// <summary>Sets each interface's.</summary>
    protected override void ProcessRecord()
    {
        var request = new IrqAffinityRequest { Policy = Policy, Cpus = Cpu };
        foreach (string name in Name)
            Tune(name, "Have its IRQs go to other CPUs", (daemon, planOnly, stop) => daemon.SetIrqsAsync(name, request, planOnly, stop));
    }
}
