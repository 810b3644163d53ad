using System.Management.Automation;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Tells what happened lately, and with -Follow what happens from now on, until Ctrl-C.</summary>
/// <example>
/// <code>Get-PcpuEvent -Kind ike-sa-failed, child-sa-failed</code>
/// <para>What failed lately.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "PcpuEvent")]
[OutputType(typeof(DaemonEvent))]
public sealed class GetPcpuEvent : DaemonCmdlet
{
    /// <summary>Only events of these tunnels, also of such as were removed; of all tunnels unless given.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("Name")]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string[]? Tunnel { get; set; }

    /// <summary>Only events of these kinds, such as child-sa-rekeyed; of all kinds unless given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(EventKindCompleter))]
    public string[]? Kind { get; set; }

    /// <summary>Wait for what happens, after what has.</summary>
    [Parameter]
    public SwitchParameter Follow { get; set; }

    /// <summary>Refuses kinds that there are not: nothing would ever be of them.</summary>
    protected override void BeginProcessing()
    {
        foreach (string kind in Kind ?? [])
        {
            if (!EventKindCompleter.Kinds.Contains(kind, StringComparer.OrdinalIgnoreCase))
            {
                var fault = new DaemonException("invalid-option", $"Kind: '{kind}' is not allowed; allowed: {string.Join(", ", EventKindCompleter.Kinds)}");
                ThrowTerminatingError(new ErrorRecord(fault, ErrorIds.IdOf(fault.Error), ErrorCategory.InvalidArgument, kind));
            }
        }
    }

    /// <summary>Writes each.</summary>
    protected override void ProcessRecord()
    {
        if (!TryAsk(null, (daemon, stop) => daemon.GetEventsAsync(stop), out IReadOnlyList<DaemonEvent> events))
            return;
        // One that was removed is known by what happened to it.
        HashSet<string>? tunnels = Tunnel is null ? null : [.. Tunnel.Where(name => events.Any(e => e.Tunnel == name) || TryAsk(name, (daemon, stop) => daemon.GetTunnelAsync(name, stop), out Client.Tunnel _))];
        if (tunnels is { Count: 0 })
            return;
        WriteAnswers(events.Where(Matches));
        if (Follow)
            WriteFollowed(events.Count > 0 ? events[^1].Id : 0, Matches);

        bool Matches(DaemonEvent e) => tunnels?.Contains(e.Tunnel) is not false && (Kind is null || Kind.Contains(e.Kind, StringComparer.OrdinalIgnoreCase));
    }

    private void WriteFollowed(long after, Func<DaemonEvent, bool> matches)
    {
        IAsyncEnumerator<DaemonEvent> follower = Daemon().FollowEventsAsync(after, StopToken).GetAsyncEnumerator(StopToken);
        try
        {
            while (TryAsk(null, (_, _) => follower.MoveNextAsync().AsTask(), out bool more) && more)
            {
                if (matches(follower.Current))
                    WriteAnswer(follower.Current);
            }
        }
        finally
        {
            follower.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }
}
