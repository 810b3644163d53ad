using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>The daemon that this session talks to where a cmdlet is told no other. No type of PowerShell's: it outlives cmdlets.</summary>
internal static class DaemonSession
{
    private static readonly Lock _lock = new();
    private static readonly SemaphoreSlim _starting = new(1, 1);
    private static readonly Dictionary<string, DaemonClient> _clients = new(StringComparer.Ordinal);
    private static string? _connected;
    private static PrivateDaemon? _private;

    /// <summary>The daemon of this session's own; null where it has none.</summary>
    public static PrivateDaemon? Private
    {
        get
        {
            lock (_lock)
                return _private is { HasExited: false } ? _private : null;
        }
    }

    /// <summary>
    /// The socket to use: the one given, else the connected one, else the private daemon's, else the host's; null where
    /// none of them is there.
    /// </summary>
    public static string? FindSocket(string? given)
    {
        lock (_lock)
            return given ?? _connected ?? Private?.SocketPath ?? (File.Exists(DaemonClient.DefaultSocketPath) ? DaemonClient.DefaultSocketPath : null);
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

    public static void Connect(string socket)
    {
        lock (_lock)
            _connected = socket;
    }

    /// <summary>Starts a daemon that ends with this session: one, however many runspaces ask at once.</summary>
    /// <returns>Its socket, and whether this call started it.</returns>
    public static async Task<(string Socket, bool Started)> StartPrivateAsync(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (Private is { } running)
                return (running.SocketPath, false);
            PrivateDaemon daemon = await PrivateDaemon.StartAsync(cancellationToken).ConfigureAwait(false);
            lock (_lock)
                _private = daemon;
            return (daemon.SocketPath, true);
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>Ends the private daemon. With others the session stays connected.</summary>
    public static void StopPrivate()
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
