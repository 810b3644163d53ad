using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Cmdlets;

/// <summary>Makes a daemon the one that this session talks to; without a socket it is the session's own or the host's again.</summary>
/// <example>
/// <code>Connect-PcpuDaemon -Socket /run/pcpu-ipsec/pcpu-ipsec.sock</code>
/// <para>The daemon at a socket.</para>
/// </example>
[Cmdlet(VerbsCommunications.Connect, "PcpuDaemon")]
[OutputType(typeof(DaemonInfo))]
public sealed class ConnectPcpuDaemon : DaemonCmdlet
{
    /// <summary>The socket of the daemon; the session's own or the host's unless given.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public override string? Socket { get; set; }

    /// <summary>Connects.</summary>
    protected override void ProcessRecord()
    {
        string? before = DaemonSession.Connect(null);
        bool answered = false;
        try
        {
            answered = TryAsk(Socket, (daemon, stop) => daemon.GetInfoAsync(stop), out DaemonInfo info);
            if (!answered)
                return;
            if (Socket is not null)
                DaemonSession.Connect(Daemon().SocketPath);
            WriteAnswer(info);
        }
        finally
        {
            if (!answered)
                DaemonSession.Connect(before);
        }
    }
}

/// <summary>Tells of the daemon: its version, its data plane and why it is that one, and its counters.</summary>
/// <example>
/// <code>Get-PcpuDaemon | Format-List</code>
/// <para>All that it says of itself.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "PcpuDaemon")]
[OutputType(typeof(DaemonInfo))]
public sealed class GetPcpuDaemon : DaemonCmdlet
{
    /// <summary>Writes it.</summary>
    protected override void ProcessRecord()
    {
        if (TryAsk(Socket, (daemon, stop) => daemon.GetInfoAsync(stop), out DaemonInfo info))
            WriteAnswer(info);
    }
}

/// <summary>Ends the private daemon of this session: its tunnels are removed, and their traffic goes unprotected. The host's daemon is systemd's to stop.</summary>
/// <example>
/// <code>Stop-PcpuDaemon -WhatIf</code>
/// <para>What would be done.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Stop, "PcpuDaemon", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class StopPcpuDaemon : PSCmdlet
{
    /// <summary>Ends it.</summary>
    protected override void ProcessRecord()
    {
        if (DaemonSession.Private is not { } daemon)
        {
            WriteError(new ErrorRecord(new DaemonException("not-found", "This session has no private daemon; the host's is stopped by systemctl stop pcpu-ipsec."), "NotFound", ErrorCategory.ObjectNotFound, null));
            return;
        }
        if (!ShouldProcess(daemon.SocketPath, "End the private daemon and remove its tunnels"))
            return;
        try
        {
            DaemonSession.StopPrivate();
        }
        catch (DaemonException e)
        {
            WriteError(new ErrorRecord(e, "HostUnable", ErrorCategory.ResourceUnavailable, null));
        }
    }
}
