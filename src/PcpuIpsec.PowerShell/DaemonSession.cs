using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>The daemon that this session talks to where a cmdlet is told no other. No type of PowerShell's: it outlives cmdlets.</summary>
internal static class DaemonSession
{
    private static readonly Lock _lock = new();
    /// <summary>Longer than a private daemon may take.</summary>
    private static readonly TimeSpan _startTimeout = TimeSpan.FromSeconds(40);

    private static readonly SemaphoreSlim _starting = new(1, 1);
    private static readonly Dictionary<string, DaemonClient> _clients = new(StringComparer.Ordinal);
    private static string? _connected;
    private static PrivateDaemon? _private;

    /// <summary>The daemon of this session's own, which may have been killed; null where it has none.</summary>
    public static PrivateDaemon? Private
    {
        get
        {
            lock (_lock)
                return _private is { HasExited: false } or { WasKilled: true } ? _private : null;
        }
    }

    /// <summary>
    /// The socket to use: the one given, else the connected one, else the private daemon's, else the host's; null where
    /// none of them is there.
    /// </summary>
    public static string? FindSocket(string? given)
    {
        lock (_lock)
        {
            string? own = _private is { HasExited: false } ? _private.SocketPath : null;
            // One of our own that was killed is started again at its socket.
            if (given is not null)
                return given == _private?.SocketPath && _private.WasKilled ? null : given;
            string? connected = _connected == _private?.SocketPath ? own : _connected;
            // What a killed one of our own has declared is nobody else's.
            return connected ?? own ?? (_private is not { WasKilled: true } && File.Exists(DaemonClient.DefaultSocketPath) ? DaemonClient.DefaultSocketPath : null);
        }
    }

    public static DaemonClient ClientOf(string socket)
    {
        lock (_lock)
        {
            if (!_clients.TryGetValue(socket, out DaemonClient? client))
                _clients.Add(socket, client = new DaemonClient(socket));
            return client;
        }
    }

    /// <param name="socket">Null: none but the session's own or the host's.</param>
    /// <returns>The one before.</returns>
    public static string? Connect(string? socket)
    {
        lock (_lock)
        {
            (string? before, _connected) = (_connected, socket);
            return before;
        }
    }

    /// <summary>
    /// Starts a daemon that ends with this session: one, however many runspaces ask at once. In place of one that was killed it
    /// has the same tunnels, whose traffic is held meanwhile.
    /// </summary>
    /// <returns>Its socket, and what the user has to know: nothing where another runspace started it.</returns>
    public static async Task<(string Socket, IReadOnlyList<string> Warnings)> StartPrivateAsync(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            PrivateDaemon? before;
            lock (_lock)
                before = _private;
            if (before is { HasExited: false })
                return (before.SocketPath, []);
            SessionFolder.Abandoned[] abandoned = [.. SessionFolder.FindAbandoned()];
            List<string> warnings = [.. abandoned.Select(a => a.Warning)];
            PrivateDaemon daemon = before is { WasKilled: true }
                ? await before.RestartAsync(cancellationToken).ConfigureAwait(false)
                : await PrivateDaemon.StartAsync(cancellationToken).ConfigureAwait(false);
            daemon.Told = abandoned.SelectMany(a => a.Traffic).ToHashSet(StringComparer.Ordinal);
            lock (_lock)
                _private = daemon;
            warnings.Add(before switch
            {
                null => "No daemon runs on this host: a private one was started. It ends with this session, or with Remove-Module, and its tunnels with it: their traffic goes unprotected then.",
                { WasKilled: true } => "The private daemon of this session was killed: another one was started and has its tunnels.",
                _ => "The private daemon of this session was stopped, and its tunnels with it: another one was started, without tunnels.",
            });
            if (before is { WasKilled: true })
                before.Leave();
            else
                before?.Dispose();
            return (daemon.SocketPath, warnings);
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>What the private daemon logged since this was asked last: nobody else reads it.</summary>
    public static IReadOnlyList<string> TakeWarnings()
    {
        lock (_lock)
            return _private?.TakeWarnings() ?? [];
    }

    /// <summary>Ends the private daemon. With others the session stays connected.</summary>
    public static void StopPrivate()
    {
        // Not in the middle of a start, by another runspace, in the same folder.
        bool isAlone = _starting.Wait(_startTimeout);
        try
        {
            PrivateDaemon? daemon;
            DaemonClient? client = null;
            lock (_lock)
            {
                (daemon, _private) = (_private, null);
                if (daemon is not null)
                {
                    _clients.Remove(daemon.SocketPath, out client);
                    _connected = _connected == daemon.SocketPath ? null : _connected;
                }
            }
            client?.Dispose();
            daemon?.Dispose();
        }
        finally
        {
            if (isAlone)
                _starting.Release();
        }
    }

    /// <summary>Ends what the session has.</summary>
    public static void Close()
    {
        StopPrivate();
        lock (_lock)
        {
            foreach (DaemonClient client in _clients.Values)
                client.Dispose();
            _clients.Clear();
            _connected = null;
        }
    }
}
