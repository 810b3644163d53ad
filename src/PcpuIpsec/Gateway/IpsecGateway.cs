namespace PcpuIpsec.Gateway;

/// <summary>
/// An IPsec gateway in this process: tunnels, their IKE SAs and Child SAs, and the data plane that carries their packets.
/// Safe for use from several threads. Traffic of a tunnel is held from <see cref="AddTunnelAsync"/> on and until
/// <see cref="RemoveTunnelAsync"/>, whatever happens between: it leaves protected or not at all.
/// </summary>
public sealed class IpsecGateway : IAsyncDisposable
{
    /// <summary>Starts a gateway and adds the tunnels of its options.</summary>
    /// <param name="options">The options.</param>
    /// <param name="cancellationToken">Gives the start up and undoes it.</param>
    /// <exception cref="PcpuIpsecException">An option is wrong or the host lacks something; the message says which.</exception>
    public static Task<IpsecGateway> StartAsync(GatewayOptions options, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>
    /// What happens, from up to 256 events before now on. Each enumeration is a reader of its own; one that falls
    /// 4096 events behind loses the oldest. Ends when the gateway is disposed.
    /// </summary>
    public IAsyncEnumerable<GatewayEvent> Events => throw new NotSupportedException();

    /// <summary>Adds a tunnel: validates it, holds its traffic and answers its peer; initiates where its start action says so, without waiting for the outcome.</summary>
    /// <param name="tunnel">The tunnel.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task AddTunnelAsync(TunnelOptions tunnel, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Initiates a tunnel and waits until its fallback Child SA carries traffic. Where it fails, the tunnel stays added and held.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up, not the attempt.</param>
    public Task ConnectAsync(string tunnel, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Waits until the tunnel's fallback and every per-CPU Child SA are up, or for a peer without RFC 9611 its one Child SA.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    /// <returns>The tunnel then.</returns>
    public Task<TunnelStatus> WaitForChildSasAsync(string tunnel, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>The gateway now: tunnels, SAs and counters.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<GatewayStatus> GetStatusAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Gives a Child SA new keys (RFC 7296 §2.8).</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="number">The Child SA's number.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task RekeyChildSaAsync(string tunnel, int number, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Moves a Child SA to another CPU by rekeying it.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="number">The Child SA's number.</param>
    /// <param name="cpu">The CPU.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task MoveChildSaAsync(string tunnel, int number, int cpu, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Deletes a Child SA at both ends.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="number">The Child SA's number.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task DeleteChildSaAsync(string tunnel, int number, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Gives the IKE SA new keys (RFC 7296 §2.18).</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task RekeyIkeSaAsync(string tunnel, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Asks the peer whether it lives (RFC 7296 §1.4).</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task CheckPeerAsync(string tunnel, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Deletes the tunnel's SAs at both ends. The tunnel stays added and its traffic held: nothing leaves until it is connected again.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task CloseTunnelAsync(string tunnel, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Closes a tunnel and lets its traffic go unprotected: the only way in which protection ends.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task RemoveTunnelAsync(string tunnel, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    /// <summary>Deletes all SAs at both ends and stops. What is held stays held.</summary>
    public ValueTask DisposeAsync() => throw new NotSupportedException();
}
