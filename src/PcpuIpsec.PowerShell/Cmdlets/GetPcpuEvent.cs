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
    /// <summary>Only events of these tunnels.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("Name")]
    [ArgumentCompleter(typeof(TunnelNameCompleter))]
    public string[]? Tunnel { get; set; }

    /// <summary>Only events of these kinds, such as child-sa-rekeyed.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(EventKindCompleter))]
    public string[]? Kind { get; set; }

    /// <summary>Wait for what happens, after what has.</summary>
    [Parameter]
    public SwitchParameter Follow { get; set; }

    /// <summary>Writes each.</summary>
    protected override void ProcessRecord()
    {
        if (!TryAsk(null, (daemon, stop) => daemon.GetEventsAsync(stop), out IReadOnlyList<DaemonEvent> events))
            return;
        foreach (DaemonEvent e in events.Where(Matches))
            WriteObject(e);
        if (Follow)
            WriteFollowed(events.Count > 0 ? events[^1].Id : 0);
    }

    private void WriteFollowed(long after)
    {
        IAsyncEnumerator<DaemonEvent> follower = Daemon().FollowEventsAsync(after, StopToken).GetAsyncEnumerator(StopToken);
        try
        {
            while (TryAsk(null, (_, _) => follower.MoveNextAsync().AsTask(), out bool more) && more)
            {
                if (Matches(follower.Current))
                    WriteObject(follower.Current);
            }
        }
        finally
        {
            follower.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private bool Matches(DaemonEvent e) => (Tunnel is null || Tunnel.Contains(e.Tunnel)) && (Kind is null || Kind.Contains(e.Kind, StringComparer.OrdinalIgnoreCase));
}
