using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace PcpuIpsec.Client;

/// <summary>
/// A daemon's API over its Unix socket. Safe for use from several threads. Every call throws <see cref="DaemonException"/> where
/// the daemon refuses or none answers.
/// </summary>
public sealed partial class DaemonClient : IDisposable
{
    /// <summary>Where the daemon of the host listens unless told otherwise.</summary>
    public const string DefaultSocketPath = "/run/pcpu-ipsec/pcpu-ipsec.sock";

    /// <summary>The version of the API that this client speaks.</summary>
    public const int ApiVersion = 1;

    internal const string ApiVersionHeader = "Pcpu-Ipsec-Api";

    private readonly HttpClient _http;

    /// <summary>A client of the daemon that listens at a socket; connects with the first call.</summary>
    /// <param name="socketPath">The socket.</param>
    public DaemonClient(string socketPath = DefaultSocketPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(socketPath);
        SocketPath = Path.GetFullPath(socketPath);
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = ConnectAsync,
            UseProxy = false,
            AllowAutoRedirect = false,
        })
        {
            // A name is needed for the header; the socket is what is connected to.
            BaseAddress = new Uri("http://pcpu-ipsec"),
            // Setting a tunnel up may take as long as its retransmissions do: callers give up by their token.
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The socket's path.</summary>
    public string SocketPath { get; }

    /// <summary>What the daemon is and works on, with its counters.</summary>
    /// <param name="cancellationToken">Gives the wait up, here and in the other calls.</param>
    public Task<DaemonInfo> GetInfoAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, "v1/version", null, WireJson.Default.DaemonInfo, cancellationToken);

    /// <summary>All tunnels, by name.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<IReadOnlyList<Tunnel>> GetTunnelsAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, "v1/tunnels", null, WireJson.Default.IReadOnlyListTunnel, cancellationToken);

    /// <summary>One tunnel.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<Tunnel> GetTunnelAsync(string name, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, TunnelPath(name), null, WireJson.Default.Tunnel, cancellationToken);

    /// <summary>Declares a tunnel: from the answer on its traffic is held, and the daemon remembers it. One that is declared alike already is left as it is.</summary>
    /// <param name="definition">The tunnel.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<TunnelChange> CreateTunnelAsync(TunnelDefinition definition, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return SendAsync(HttpMethod.Post, "v1/tunnels", Body(definition), WireJson.Default.TunnelChange, cancellationToken);
    }

    /// <summary>Gives a declared tunnel another declaration. Its SAs are negotiated anew; what both declarations cover is held meanwhile.</summary>
    /// <param name="definition">The tunnel; without a key of any kind it keeps the one that it has.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<TunnelChange> UpdateTunnelAsync(TunnelDefinition definition, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return SendAsync(HttpMethod.Put, TunnelPath(definition.Name), Body(definition), WireJson.Default.TunnelChange, cancellationToken);
    }

    /// <summary>Deletes a tunnel's SAs and forgets it; its traffic goes unprotected from then on.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<TunnelChange> DeleteTunnelAsync(string name, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Delete, TunnelPath(name), null, WireJson.Default.TunnelChange, cancellationToken);

    /// <summary>Initiates a tunnel that is down and waits until its fallback Child SA carries traffic.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="allChildSas">Wait until every CPU has its Child SA, too.</param>
    /// <param name="cancellationToken">Gives the wait up, not the attempt.</param>
    public Task<TunnelChange> StartTunnelAsync(string name, bool allChildSas = false, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Post, $"{TunnelPath(name)}/start{(allChildSas ? "?wait=child-sas" : "")}", null, WireJson.Default.TunnelChange, cancellationToken);

    /// <summary>Deletes a tunnel's SAs at both ends. It stays declared, and its traffic held.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<TunnelChange> StopTunnelAsync(string name, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Post, $"{TunnelPath(name)}/stop", null, WireJson.Default.TunnelChange, cancellationToken);

    /// <summary>Child SAs, of all tunnels or of one.</summary>
    /// <param name="tunnel">The tunnel; null: all.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<IReadOnlyList<ChildSa>> GetChildSasAsync(string? tunnel = null, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, tunnel is null ? "v1/child-sas" : $"{TunnelPath(tunnel)}/child-sas", null, WireJson.Default.IReadOnlyListChildSa, cancellationToken);

    /// <summary>Gives a Child SA new keys and waits until they are in use.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="number">The Child SA's number.</param>
    /// <param name="cancellationToken">Gives the wait up, not the rekeying.</param>
    public Task<ChildSa> RekeyChildSaAsync(string tunnel, int number, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Post, $"{TunnelPath(tunnel)}/child-sas/{number}/rekey", null, WireJson.Default.ChildSa, cancellationToken);

    /// <summary>Moves a Child SA to another CPU by rekeying it, and waits until the new one is in use.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="number">The Child SA's number; not the fallback's.</param>
    /// <param name="cpu">The CPU.</param>
    /// <param name="cancellationToken">Gives the wait up, not the rekeying.</param>
    public Task<ChildSa> MoveChildSaAsync(string tunnel, int number, int cpu, CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Post, $"{TunnelPath(tunnel)}/child-sas/{number}/move", JsonContent.Create(new MoveRequest { Cpu = cpu }, WireJson.Default.MoveRequest), WireJson.Default.ChildSa, cancellationToken);

    /// <summary>Reads the folder of declared tunnels anew. Where one declaration is wrong nothing is changed.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<ReloadResult> ReloadAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Post, "v1/reload", null, WireJson.Default.ReloadResult, cancellationToken);

    /// <summary>What the daemon's host is and lacks.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<IReadOnlyList<HostCheck>> GetHostChecksAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, "v1/host/checks", null, WireJson.Default.IReadOnlyListHostCheck, cancellationToken);

    /// <summary>The states of the kernel in the daemon's namespace, other programs' too.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<IReadOnlyList<XfrmState>> GetXfrmStatesAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, "v1/xfrm/states", null, WireJson.Default.IReadOnlyListXfrmState, cancellationToken);

    /// <summary>The policies of the kernel in the daemon's namespace, other programs' too.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<IReadOnlyList<XfrmPolicy>> GetXfrmPoliciesAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, "v1/xfrm/policies", null, WireJson.Default.IReadOnlyListXfrmPolicy, cancellationToken);

    /// <summary>The kernel's error counters in the daemon's namespace (/proc/net/xfrm_stat).</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<IReadOnlyDictionary<string, long>> GetXfrmStatisticsAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, "v1/xfrm/statistics", null, WireJson.Default.IReadOnlyDictionaryStringInt64, cancellationToken);

    /// <summary>Closes the connections.</summary>
    public void Dispose() => _http.Dispose();

    private static string TunnelPath(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return $"v1/tunnels/{Uri.EscapeDataString(name)}";
    }

    private static SecretContent Body(TunnelDefinition definition) => new(definition);

    private async Task<T> SendAsync<T>(HttpMethod method, string path, HttpContent? content, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        using HttpResponseMessage response = await SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken).ConfigureAwait(false);
        // UTF-8, whatever charset the answer claims.
        byte[] body = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        return Read(body, type, $"{method} {path}") ?? throw new DaemonException(DaemonException.ProtocolViolation, $"The daemon at {SocketPath} answered {method} {path} with nothing.");
    }

    /// <exception cref="DaemonException">It is not what this version of the API says.</exception>
    private T? Read<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> type, string asked)
    {
        try
        {
            return JsonSerializer.Deserialize(json, type);
        }
        catch (JsonException e)
        {
            throw new DaemonException(DaemonException.ProtocolViolation, $"The daemon at {SocketPath} answered {asked} with what cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Sends; an answer that is no success is an exception.</summary>
    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, completion, cancellationToken).ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e);
        }
        try
        {
            CheckApi(response);
            if (response.IsSuccessStatusCode)
                return response;
            throw await FailureAsync(response, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private void CheckApi(HttpResponseMessage response)
    {
        string? version = response.Headers.TryGetValues(ApiVersionHeader, out IEnumerable<string>? values) ? values.FirstOrDefault() : null;
        if (version != ApiVersion.ToString(System.Globalization.CultureInfo.InvariantCulture))
        {
            throw new DaemonException(DaemonException.OtherApi, version is null
                ? $"What listens at {SocketPath} is no daemon of PcpuIpsec."
                : $"The daemon at {SocketPath} speaks version {version} of its API, and this client version {ApiVersion}: update the older of the two.");
        }
    }

    private async Task<DaemonException> FailureAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        string asked = $"{response.RequestMessage!.Method} {response.RequestMessage.RequestUri!.PathAndQuery} by {(int)response.StatusCode}";
        if (response.Content.Headers.ContentType is not MediaTypeHeaderValue { MediaType: "application/problem+json" })
            return new DaemonException(DaemonException.ProtocolViolation, $"The daemon at {SocketPath} answered {asked} without a reason.");
        byte[] body;
        try
        {
            body = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            return Unreachable(e);
        }
        return Read(body, WireJson.Default.Problem, asked) is { } problem
            ? new DaemonException(problem.Error ?? "aborted", problem.Detail ?? problem.Title ?? $"HTTP {(int)response.StatusCode}")
            : new DaemonException(DaemonException.ProtocolViolation, $"The daemon at {SocketPath} answered {asked} with nothing.");
    }

    private DaemonException Unreachable(HttpRequestException e) => new(DaemonException.Unreachable, e.InnerException switch
    {
        SocketException { SocketErrorCode: SocketError.AccessDenied } => $"The socket {SocketPath} may not be used: you are neither root nor in the daemon's group.",
        SocketException socket when !File.Exists(SocketPath) => $"No daemon listens at {SocketPath}, which does not exist: start it (systemctl start pcpu-ipsec), or name another socket.",
        SocketException socket => $"No daemon listens at {SocketPath} ({socket.Message}): start it (systemctl start pcpu-ipsec).",
        _ => $"The daemon at {SocketPath} broke the connection off: {e.Message}",
    }, e);
}
