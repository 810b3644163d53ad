using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>A cmdlet that asks a daemon. Ctrl-C gives the wait up.</summary>
public abstract class DaemonCmdlet : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stop = new();

    // Of the daemon that was asked last.
    private string _asked = "";

    /// <summary>The socket of the daemon; that of the object that the pipeline brings, else of Connect-PcpuDaemon, else the host's unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public virtual string? Socket { get; set; }

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
        if (DaemonSession.FindSocket(SocketPath()) is { } socket)
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
            DaemonClient daemon = Daemon();
            _asked = daemon.SocketPath;
            answer = ask(daemon, _stop.Token).GetAwaiter().GetResult();
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
            WriteFault(fault, target);
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

    /// <summary>A target as it is asked about before it is changed: with its daemon where that is not the session's.</summary>
    private protected string At(string target)
    {
        string? socket = DaemonSession.FindSocket(SocketPath());
        return socket is null || socket == DaemonSession.FindSocket(null) ? target : $"{target} at {socket}";
    }

    /// <summary>Writes what the daemon told, with its socket.</summary>
    private protected void WriteAnswer(object answer) => WriteObject(Origin.Mark(answer, _asked));

    private protected void WriteAnswers(IEnumerable<object> answers)
    {
        foreach (object answer in answers)
            WriteAnswer(answer);
    }

    /// <summary>An error of an item's arguments, which keeps no other from being done.</summary>
    private protected void WriteFault(DaemonException fault, object? target) => WriteError(new ErrorRecord(fault, ErrorIds.IdOf(fault.Error), CategoryOf(fault.Error), target));

    /// <summary>The names, and for those with wildcards what the daemon has by them.</summary>
    private protected IEnumerable<string> Expand(IEnumerable<string> names)
    {
        foreach (string name in names)
        {
            if (!WildcardPattern.ContainsWildcardCharacters(name))
            {
                yield return name;
                continue;
            }
            if (!TryAsk(name, (daemon, stop) => daemon.GetTunnelsAsync(stop), out IReadOnlyList<Tunnel> tunnels))
                continue;
            var pattern = new WildcardPattern(name, WildcardOptions.IgnoreCase);
            foreach (Tunnel tunnel in tunnels.Where(t => pattern.IsMatch(t.Name)))
                yield return tunnel.Name;
        }
    }

    /// <summary>A tunnel, with whether the command changed it.</summary>
    private protected void WriteChange(Tunnel tunnel, bool changed)
    {
        PSObject result = Origin.Mark(tunnel, _asked);
        result.Properties.Add(new PSNoteProperty("Changed", changed));
        // Its view has the column.
        result.TypeNames.Insert(0, typeof(Tunnel).FullName + "#Changed");
        WriteObject(result);
    }

    // What is absolute is no drive's, wherever the shell stands.
    private string? SocketPath() => Socket is null or ['/', ..] ? Socket : GetUnresolvedProviderPathFromPSPath(Socket);

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
