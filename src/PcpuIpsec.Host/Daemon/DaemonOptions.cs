using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary>What becomes of the tunnels' traffic when the daemon stops.</summary>
internal enum StopAction
{
    /// <summary>It stays held: nothing leaves in clear until a daemon takes it over.</summary>
    Hold,

    /// <summary>It goes unprotected, as if the daemon had never been.</summary>
    Release,

    /// <summary>It goes unprotected, and the folder of declared tunnels is removed with the keys in it.</summary>
    Forget,
}

/// <summary>What <c>pcpu-ipsec serve</c> is started with.</summary>
internal sealed record DaemonOptions
{
    public required string SocketPath { get; init; }

    /// <summary>Who may use the socket beside root.</summary>
    public string? Group { get; init; }
    public required string TunnelsFolder { get; init; }

    /// <summary>Make the folder where it is not there.</summary>
    public bool MakeTunnelsFolder { get; init; }
    public DataPlaneKind DataPlane { get; init; }
    public IReadOnlyList<int>? Cpus { get; init; }
    public bool SteerByFlow { get; init; }
    public StopAction OnStop { get; init; }

    /// <summary>Whose end is ours: the daemon of one session ends with it, however that ends.</summary>
    public Stream? Input { get; init; }
}
