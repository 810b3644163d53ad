using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>A cmdlet that asks a daemon. Ctrl-C gives the wait up.</summary>
public abstract class DaemonCmdlet : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stop = new();

    /// <summary>The socket of the daemon; by default that of Connect-PcpuDaemon, else the host's.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Socket { get; set; }

    /// <summary>Cancelled by Ctrl-C.</summary>
    protected CancellationToken StopToken => _stop.Token;

    /// <summary>Frees what the cmdlet holds.</summary>
    public void Dispose()
    {
        _stop.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Called on another thread, by Ctrl-C.</summary>
    protected override void StopProcessing() => _stop.Cancel();

    /// <summary>The daemon's client; starts a private daemon where none runs.</summary>
    private protected DaemonClient Daemon()
    {
        string? path = Socket is null ? null : GetUnresolvedProviderPathFromPSPath(Socket);
        if (DaemonSession.FindSocket(path) is { } socket)
            return DaemonSession.ClientOf(socket);
        const string Starting = "Starting a private daemon";
        this.Say(Starting, "no daemon runs on this host");
        (socket, IReadOnlyList<string> warnings) = DaemonSession.StartPrivateAsync(_stop.Token).GetAwaiter().GetResult();
        this.SayDone(Starting);
        foreach (string warning in warnings)
            WriteWarning(warning);
        return DaemonSession.ClientOf(socket);
    }

    /// <summary>Asks the daemon about one item. What fails is written as an error of that item, and the next one is asked about.</summary>
    private protected bool TryAsk<T>(object? target, Func<DaemonClient, CancellationToken, Task<T>> ask, out T answer)
    {
        try
        {
            // The pipeline's thread has no synchronization context: nothing waits for it.
            answer = ask(Daemon(), _stop.Token).GetAwaiter().GetResult();
            return true;
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
        catch (Exception e) when (e is DaemonException or OperationCanceledException or ObjectDisposedException)
        {
            // Its client is closed where another runspace stops the private daemon.
            DaemonException fault = e as DaemonException ?? new DaemonException(DaemonException.Unreachable, "The private daemon of this session was stopped meanwhile.", e);
            WriteError(new ErrorRecord(fault, ErrorIds.IdOf(fault.Error), CategoryOf(fault.Error), target));
            answer = default!;
            return false;
        }
        finally
        {
            foreach (string warning in DaemonSession.TakeWarnings())
                WriteWarning(warning);
        }
    }

    /// <summary>Asks what may take more than a second, and says meanwhile what is waited for.</summary>
    private protected bool TryWait<T>(string activity, string status, object? target, Func<DaemonClient, CancellationToken, Task<T>> ask, out T answer)
    {
        this.Say(activity, status);
        bool answered = TryAsk(target, ask, out answer);
        this.SayDone(activity);
        return answered;
    }

    /// <summary>A tunnel, with whether the command changed it.</summary>
    private protected void WriteChange(Tunnel tunnel, bool changed)
    {
        var result = new PSObject(tunnel);
        result.Properties.Add(new PSNoteProperty("Changed", changed));
        // Its view has the column.
        result.TypeNames.Insert(0, typeof(Tunnel).FullName + "#Changed");
        WriteObject(result);
    }

    private static ErrorCategory CategoryOf(string error) => error switch
    {
        "invalid-option" => ErrorCategory.InvalidArgument,
        "not-found" => ErrorCategory.ObjectNotFound,
        "conflict" => ErrorCategory.ResourceExists,
        "forbidden" => ErrorCategory.PermissionDenied,
        "authentication-failed" => ErrorCategory.AuthenticationError,
        "peer-silent" => ErrorCategory.OperationTimeout,
        "protocol-violation" => ErrorCategory.ProtocolError,
        DaemonException.Unreachable => ErrorCategory.ConnectionError,
        _ => ErrorCategory.OperationStopped,
    };
}
