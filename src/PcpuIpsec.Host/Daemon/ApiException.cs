namespace PcpuIpsec.Host.Daemon;

/// <summary>A request that is answered with a problem of HTTP's own kind.</summary>
internal sealed class ApiException(int status, string error, string message) : Exception(message)
{
    public int Status { get; } = status;

    public string Error { get; } = error;

    public static ApiException NoTunnel(string name) => new(404, "not-found", $"There is no tunnel '{name}'.");
}
