using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>A cmdlet that tells of the kernel's objects, of a tunnel or of all.</summary>
public abstract class XfrmCmdlet : DaemonCmdlet
{
    private protected void WriteThose<T>(IEnumerable<T> all, Func<T, string?> tunnelOf, string? tunnel)
        where T : class
    {
        T[] found = [.. all.Where(t => tunnel is null || tunnelOf(t) == tunnel)];
        // The embedded data plane's have none; a tunnel that is none is an error.
        if (found.Length > 0 || tunnel is null || TryAsk(tunnel, (daemon, stop) => daemon.GetTunnelAsync(tunnel, stop), out Tunnel _))
            WriteAnswers(found);
    }
}

/// <summary>Tells of the kernel's ESP states in the daemon's namespace, other programs' too; never of keys.</summary>
/// <example>
/// <code>Get-XfrmState -Tunnel lab | Sort-Object Cpu</code>
/// <para>A tunnel's states by CPU.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "XfrmState")]
[OutputType(typeof(XfrmState))]
public sealed class GetXfrmState : XfrmCmdlet
{
    /// <summary>Only this tunnel's; everybody's unless given.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("Name")]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Tunnel { get; set; }

    /// <summary>Writes each.</summary>
    protected override void ProcessRecord()
    {
        if (TryAsk(null, (daemon, stop) => daemon.GetXfrmStatesAsync(stop), out IReadOnlyList<XfrmState> states))
            WriteThose(states, s => s.Tunnel, Tunnel);
    }
}

/// <summary>Tells of the kernel's IPsec policies in the daemon's namespace, other programs' too.</summary>
/// <example>
/// <code>Get-XfrmPolicy | Where-Object Action -eq protect</code>
/// <para>What is protected.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "XfrmPolicy")]
[OutputType(typeof(XfrmPolicy))]
public sealed class GetXfrmPolicy : XfrmCmdlet
{
    /// <summary>Only this tunnel's; everybody's unless given.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("Name")]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Tunnel { get; set; }

    /// <summary>Writes each.</summary>
    protected override void ProcessRecord()
    {
        if (TryAsk(null, (daemon, stop) => daemon.GetXfrmPoliciesAsync(stop), out IReadOnlyList<XfrmPolicy> policies))
            WriteThose(policies, p => p.Tunnel, Tunnel);
    }
}

/// <summary>One of the kernel's error counters.</summary>
public sealed record XfrmStatistic
{
    /// <summary>The kernel's name of it.</summary>
    public required string Name { get; init; }

    /// <summary>How often it happened since the namespace was made.</summary>
    public required long Value { get; init; }
}

/// <summary>Tells of the kernel's IPsec error counters in the daemon's namespace (/proc/net/xfrm_stat). A healthy tunnel moves none.</summary>
/// <example>
/// <code>Get-XfrmStatistic | Where-Object Value -gt 0</code>
/// <para>What went wrong.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "XfrmStatistic")]
[OutputType(typeof(XfrmStatistic))]
public sealed class GetXfrmStatistic : DaemonCmdlet
{
    /// <summary>Writes each.</summary>
    protected override void ProcessRecord()
    {
        if (TryAsk(null, (daemon, stop) => daemon.GetXfrmStatisticsAsync(stop), out IReadOnlyDictionary<string, long> counters))
            WriteAnswers(counters.Select(c => new XfrmStatistic { Name = c.Key, Value = c.Value }));
    }
}
