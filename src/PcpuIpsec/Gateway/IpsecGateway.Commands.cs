using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Gateway;

public sealed partial class IpsecGateway
{
    /// <summary>Initiates a tunnel that is down and waits until its fallback Child SA carries traffic. Where it fails, the tunnel stays added and held.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up, not the attempt.</param>
    /// <exception cref="PcpuIpsecException">
    /// The peer is silent, is not who it must be or does not accept us, or no proposal or no traffic selector suits both ends.
    /// </exception>
    public Task ConnectAsync(string tunnel, CancellationToken cancellationToken = default)
        => CommandAsync(
            tunnel,
            t =>
            {
                var waiter = new TunnelWaiter { IsDone = Tunnel.FallbackIsUp, FailsBy = (n, s) => TunnelWaiter.IkeOrChildSaLost(n, s, cpu: null) };
                _edge.Wait(t, waiter);
                _edge.Initiate(t);
                return waiter;
            },
            cancellationToken);

    /// <summary>
    /// Waits until the tunnel's fallback is up and every CPU has a Child SA of its own or was refused one by the peer
    /// (its limit, RFC 9611 §3.1). With a peer without RFC 9611, and on demand, the fallback is all there is to wait for.
    /// </summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    /// <returns>The tunnel then.</returns>
    /// <exception cref="PcpuIpsecException">The IKE SA was lost or could not be set up.</exception>
    public async Task<TunnelStatus> WaitForChildSasAsync(string tunnel, CancellationToken cancellationToken = default)
    {
        await CommandAsync(
            tunnel,
            t =>
            {
                var waiter = new TunnelWaiter { IsDone = t.AllChildSasAreUp, FailsBy = (n, s) => t.Initiated || n is not IkeSaFailed ? TunnelWaiter.IkeOrChildSaLost(n, s, cpu: null) : null };
                _edge.Wait(t, waiter);
                return waiter;
            },
            cancellationToken);
        return await FindTunnelAsync(tunnel, cancellationToken)
            ?? throw new PcpuIpsecException(PcpuIpsecError.Aborted, $"Tunnel '{tunnel}': it was removed");
    }

    /// <summary>Gives a Child SA new keys (RFC 7296 §2.8) and waits until they are in use.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="number">The Child SA's number.</param>
    /// <param name="cancellationToken">Gives the wait up, not the rekeying.</param>
    public Task RekeyChildSaAsync(string tunnel, int number, CancellationToken cancellationToken = default)
        => RekeyAsync(tunnel, number, newCpu: null, cancellationToken);

    /// <summary>Moves a Child SA to another CPU by rekeying it, and waits until the new one is in use.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="number">The Child SA's number; not the fallback's.</param>
    /// <param name="cpu">The CPU; one of the data plane's.</param>
    /// <param name="cancellationToken">Gives the wait up, not the rekeying.</param>
    public Task MoveChildSaAsync(string tunnel, int number, int cpu, CancellationToken cancellationToken = default)
        => _plane.Cpus.Contains(cpu)
            ? RekeyAsync(tunnel, number, cpu, cancellationToken)
            : Task.FromException(new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"cpu: CPU {cpu} is none of the data plane's; those are {CpuList.Format(_plane.Cpus)}"));

    /// <summary>Deletes a Child SA at both ends.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="number">The Child SA's number.</param>
    /// <param name="cancellationToken">Gives the wait up, not the deletion.</param>
    public Task DeleteChildSaAsync(string tunnel, int number, CancellationToken cancellationToken = default)
        => CommandAsync(
            tunnel,
            t =>
            {
                Child(t, number);
                var waiter = new TunnelWaiter { IsDoneBy = n => n is ChildSaClosed closed && closed.Child.Number == number, FailsBy = TunnelWaiter.IkeSaLost };
                _edge.Wait(t, waiter);
                _edge.Feed(new CloseChild(tunnel, number));
                return waiter;
            },
            cancellationToken);

    /// <summary>Gives the IKE SA new keys (RFC 7296 §2.18) and waits until they are in use.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up, not the rekeying.</param>
    public Task RekeyIkeSaAsync(string tunnel, CancellationToken cancellationToken = default)
        => CommandAsync(
            tunnel,
            t =>
            {
                CheckUp(t);
                var waiter = new TunnelWaiter
                {
                    IsDoneBy = static n => n is IkeSaRekeyed,
                    FailsBy = (n, s) => n is IkeSaRekeyFailed failed ? TunnelWaiter.Failure(tunnel, failed.Error, failed.Reason) : TunnelWaiter.IkeSaLost(n, s),
                };
                _edge.Wait(t, waiter);
                _edge.Feed(new RekeyIke(tunnel));
                return waiter;
            },
            cancellationToken);

    /// <summary>Asks the peer whether it lives (RFC 7296 §1.4) and waits for its answer.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    /// <exception cref="PcpuIpsecException">The peer did not answer within <see cref="TunnelOptions.RetransmitGiveUp"/>, which ends its IKE SA.</exception>
    public Task CheckPeerAsync(string tunnel, CancellationToken cancellationToken = default)
        => CommandAsync(
            tunnel,
            t =>
            {
                CheckUp(t);
                var waiter = new TunnelWaiter { IsDoneBy = static n => n is PeerAnswered, FailsBy = TunnelWaiter.IkeSaLost };
                _edge.Wait(t, waiter);
                _edge.Feed(new CheckLiveness(tunnel));
                return waiter;
            },
            cancellationToken);

    private Task RekeyAsync(string tunnel, int number, int? newCpu, CancellationToken cancellationToken)
        => CommandAsync(
            tunnel,
            t =>
            {
                ChildSaInfo child = Child(t, number);
                if (newCpu is not null && child.IsFallback)
                    throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"number: {number} is the fallback of tunnel '{tunnel}', which serves every CPU; allowed: a Child SA that is bound to one");
                var waiter = new TunnelWaiter
                {
                    IsDone = s => s?.Children.Any(c => c.Number == number && c.InboundSpi != child.InboundSpi && (newCpu is null || c.Cpu == newCpu)) ?? false,
                    FailsBy = (n, s) => n switch
                    {
                        ChildSaClosed closed when closed.Child.Number == number => TunnelWaiter.Failure(tunnel, PcpuIpsecError.Aborted, $"Child SA {number} closed: {closed.Reason}"),
                        // What the peer refuses only for now is asked again within seconds.
                        ChildSaRekeyFailed { Notify: not NotifyType.TEMPORARY_FAILURE } failed when failed.Child.Number == number && failed.NewCpu == newCpu
                            => TunnelWaiter.Failure(tunnel, failed.Error, failed.Reason),
                        // The peer's rekeying came first, and keeps the CPU.
                        ChildSaRekeyed rekeyed when rekeyed.Child.Number == number && newCpu is not null && rekeyed.Child.Cpu != newCpu
                            => TunnelWaiter.Failure(tunnel, PcpuIpsecError.Aborted, $"Child SA {number} was rekeyed by the peer meanwhile and not moved; ask again"),
                        _ => TunnelWaiter.IkeOrChildSaLost(n, s, newCpu ?? child.Cpu),
                    },
                };
                _edge.Wait(t, waiter);
                _edge.Feed(new RekeyChild(tunnel, number, newCpu));
                return waiter;
            },
            cancellationToken);

    private async Task CommandAsync(string tunnel, Func<Tunnel, TunnelWaiter> command, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        TunnelWaiter waiter = await _edge.Loop.AskAsync(() => command(Known(tunnel)), cancellationToken);
        await AwaitAsync(tunnel, waiter, cancellationToken);
    }

    private async Task AwaitAsync(string tunnel, TunnelWaiter waiter, CancellationToken cancellationToken)
    {
        try
        {
            await waiter.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _edge.Loop.Post(() => _edge.Find(tunnel)?.Remove(waiter));
            throw;
        }
    }

    private ConnectionSnapshot CheckUp(Tunnel tunnel)
        => _edge.Snapshot(tunnel.Name) is { State: "up" } connection ? connection
            : throw new PcpuIpsecException(PcpuIpsecError.Aborted, $"Tunnel '{tunnel.Name}': it has no IKE SA; connect it first");

    private ChildSaInfo Child(Tunnel tunnel, int number)
    {
        IReadOnlyList<ChildSaInfo> children = CheckUp(tunnel).Children;
        return children.FirstOrDefault(c => c.Number == number) ?? throw new PcpuIpsecException(
            PcpuIpsecError.InvalidOption,
            $"number: {number} is no Child SA of tunnel '{tunnel.Name}'; it has: {string.Join(", ", children.Select(c => c.Number).Order())}");
    }
}
