using PcpuIpsec.DataPlane;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

public sealed partial class IpsecGateway
{
    /// <summary>In the message of <see cref="GatewayEventKind.TunnelAdded"/>: a process before this one left it held.</summary>
    private const string WasHeld = "was held before and stays so";

    private const string CarriedOn = ", carried by SAs that it left until there are new ones";

    /// <summary>Adds a tunnel: validates it, holds its traffic and answers its peer; initiates where its start action says so, without waiting for the outcome.</summary>
    /// <param name="tunnel">The tunnel.</param>
    /// <param name="cancellationToken">Gives the wait up; the tunnel is then not added.</param>
    /// <exception cref="PcpuIpsecException">An option is wrong, or the host cannot hold the traffic or bind the ports; the tunnel is then not added.</exception>
    public Task AddTunnelAsync(TunnelOptions tunnel, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tunnel);
        return AddAllAsync([tunnel], cancellationToken);
    }

    /// <summary>Deletes the tunnel's SAs at both ends. The tunnel stays added and its traffic held: nothing leaves until it is connected again.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the wait for the peer up.</param>
    public async Task CloseTunnelAsync(string tunnel, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        TunnelWaiter waiter = await CloseAsync(tunnel, cancellationToken);
        await AwaitAsync(tunnel, waiter, cancellationToken);
    }

    /// <summary>Closes a tunnel and lets its traffic go unprotected: the only way in which protection ends.</summary>
    /// <param name="tunnel">The tunnel's name.</param>
    /// <param name="cancellationToken">Gives the removal up before the traffic is released; it can be asked for again.</param>
    public async Task RemoveTunnelAsync(string tunnel, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        await _changing.WaitAsync(cancellationToken);
        try
        {
            await CloseConfirmedAsync(tunnel, cancellationToken);
            await ReleaseAsync(tunnel);
        }
        finally
        {
            _changing.Release();
        }
    }

    private async Task AddAllAsync(IReadOnlyList<TunnelOptions> tunnels, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        await _changing.WaitAsync(cancellationToken);
        List<ValidatedTunnel> fresh = [];
        int bound = 0, held = 0, added = 0;
        Dictionary<string, PriorHold> prior = [];
        try
        {
            // All of what can be wrong with options and ports shows before the first packet is held.
            foreach (TunnelOptions tunnel in tunnels)
                fresh.Add(tunnels.Count == 1 ? Validate(tunnel) : ValidateOneOfSeveral(tunnel));
            await CheckNamesAsync(fresh, cancellationToken);
            for (; bound < fresh.Count; bound++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                // Waited for: one that is given up would stay bound, and nobody's.
                await BindAsync(fresh[bound]);
            }
            for (; held < fresh.Count; held++)
            {
                TrafficPolicy policy = fresh[held].Policy;
                prior[policy.Connection] = await _edge.Plane.CallAsync(p => p.HoldAsync(policy, cancellationToken));
            }
            for (; added < fresh.Count; added++)
            {
                ValidatedTunnel tunnel = fresh[added];
                await _edge.Loop.AskAsync(() => Add(tunnel, prior[tunnel.Name]), CancellationToken.None);
            }
        }
        catch
        {
            for (int i = added; i < held; i++)
            {
                // What a killed process left closed is not ours to open.
                string name = fresh[i].Name;
                if (prior[name] == PriorHold.None)
                    await _edge.Plane.CallAsync(p => p.ReleaseAsync(name, CancellationToken.None));
            }
            for (int i = added; i < bound; i++)
                await UnbindAsync(fresh[i].Connection);
            for (int i = added; i < fresh.Count; i++)
                fresh[i].Dispose();
            throw;
        }
        finally
        {
            _changing.Release();
        }
    }

    private ValidatedTunnel ValidateOneOfSeveral(TunnelOptions options)
    {
        try
        {
            return Validate(options);
        }
        catch (PcpuIpsecException e)
        {
            throw new PcpuIpsecException(e.Error, $"Tunnel '{options.Name}': {e.Message}", e);
        }
    }

    private ValidatedTunnel Validate(TunnelOptions options)
    {
        ValidatedTunnel tunnel = options.Validate(HostCpus.Online(), _plane.Cpus);
        try
        {
            if (!_plane.Abilities.PerCpuSa)
                tunnel = WithOneSa(tunnel);
            CheckPlaneCan(tunnel);
            return tunnel;
        }
        catch
        {
            tunnel.Dispose();
            throw;
        }
    }

    /// <summary>A plane that binds no SA to a CPU has one for all, as before RFC 9611, and says so.</summary>
    private ValidatedTunnel WithOneSa(ValidatedTunnel tunnel) => !tunnel.Connection.PerCpu ? tunnel : tunnel with
    {
        Connection = tunnel.Connection with { PerCpu = false, Cpus = [], OnDemand = false, IdleTime = null },
        Policy = tunnel.Policy with { AcquirePerCpu = false },
        Warnings = [.. tunnel.Warnings, $"{tunnel.Words.Name(nameof(TunnelOptions.PerCpu))}: the {_plane.Name} data plane binds no SA to a CPU on this host (Linux 6.13 and later do); '{tunnel.Name}' has one Child SA"],
    };

    private void CheckPlaneCan(ValidatedTunnel tunnel)
    {
        DataPlaneAbilities abilities = _plane.Abilities;
        if (tunnel.Connection is { OnDemand: true } && !abilities.PerCpuAcquire)
            throw Unable($"{nameof(TunnelOptions.PerCpu)}.{nameof(PerCpuOptions.OnDemand)}", "raise an acquire for a CPU");
        if (tunnel.Connection is { Mode: IpsecMode.Transport } && !abilities.TransportMode)
            throw Unable(nameof(TunnelOptions.Mode), "do transport mode");
        if (tunnel.Connection is { ForceEncapsulation: true } && !abilities.Encapsulation)
            throw Unable(nameof(TunnelOptions.ForceEncapsulation), "put ESP in UDP");
        if (tunnel.Policy is { Interface: not null } && !abilities.RouteBased)
            throw Unable(nameof(TunnelOptions.XfrmInterface), "take packets from an XFRM interface");
        if (tunnel.Policy is { Mss: not null } && !abilities.MssClamping)
            throw Unable(nameof(TunnelOptions.Mss), "set the TCP segment size of routes");
        if (tunnel.Policy is { Bypass.Count: > 0 } && !abilities.Exceptions)
            throw Unable(nameof(TunnelOptions.Bypass), "let a part of what it holds pass");
        if (tunnel.Policy is { Discard.Count: > 0 } && !abilities.Exceptions)
            throw Unable(nameof(TunnelOptions.Discard), "drop a part of what it holds");

        PcpuIpsecException Unable(string field, string what)
            => new(PcpuIpsecError.HostUnable, $"{tunnel.Words.Name(field)}: tunnel '{tunnel.Name}' needs a data plane that can {what}; the {_plane.Name} one cannot");
    }

    private Task<bool> CheckNamesAsync(List<ValidatedTunnel> fresh, CancellationToken cancellationToken)
        => _edge.Loop.AskAsync(
            () =>
            {
                HashSet<string> names = [.. _edge.Tunnels.Select(t => t.Name)];
                foreach (ValidatedTunnel tunnel in fresh)
                {
                    if (!names.Add(tunnel.Name))
                        throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{tunnel.Words.Name(nameof(TunnelOptions.Name))}: '{tunnel.Name}' is another tunnel's; allowed: a name that is not");
                }
                return true;
            },
            cancellationToken);

    private bool Add(ValidatedTunnel options, PriorHold prior)
    {
        var tunnel = new Tunnel(options);
        _edge.Add(tunnel);
        GatewayLog.TunnelAdded(_log, tunnel.Name, options.Connection.LocalAddress, options.Connection.RemoteAddress);
        _reporter.Publish(GatewayEventKind.TunnelAdded, tunnel.Name, $"added between {options.Connection.LocalAddress} and {options.Connection.RemoteAddress}; its traffic {(prior == PriorHold.None ? "is held" : WasHeld)}{(prior == PriorHold.Carried ? CarriedOn : "")}");
        foreach (string warning in options.Warnings)
        {
            GatewayLog.TunnelWarning(_log, tunnel.Name, warning);
            _reporter.Publish(GatewayEventKind.Warning, tunnel.Name, warning);
        }
        // It was up, and its SAs have nobody at this end who could rekey or delete them.
        if (prior == PriorHold.Carried)
            tunnel.KeepUp = true;
        if (tunnel.KeepUp)
            _edge.Initiate(tunnel);
        return true;
    }

    private Task BindAsync(ValidatedTunnel tunnel) => _edge.Plane.CallAsync(p =>
    {
        IkeConnection c = tunnel.Connection;
        _edge.Sockets.Acquire(p, c.LocalAddress, c.IkePort, c.NatTraversalPort, tunnel.Words);
        return ValueTask.CompletedTask;
    });

    private Task UnbindAsync(IkeConnection c) => _edge.Plane.CallAsync(_ =>
    {
        _edge.Sockets.Release(c.LocalAddress, c.IkePort, c.NatTraversalPort);
        return ValueTask.CompletedTask;
    });

    private Task<TunnelWaiter> CloseAsync(string name, CancellationToken cancellationToken)
        => _edge.Loop.AskAsync(
            () =>
            {
                Tunnel tunnel = Known(name);
                tunnel.KeepUp = false;
                tunnel.RetryAt = null;
                _edge.Feed(new CloseConnection(name, Forget: false));
                var waiter = new TunnelWaiter { IsDone = static s => s is null or { State: "down" } };
                _edge.Wait(tunnel, waiter);
                return waiter;
            },
            cancellationToken);

    // Closed first and forgotten then, so that the peer's answer to the Delete is waited for. One that does not answer must
    // not keep us, nor may a failed data plane: the peer's SAs then go by its own liveness check.
    private async Task CloseConfirmedAsync(string name, CancellationToken cancellationToken)
    {
        TunnelWaiter closed = await CloseAsync(name, cancellationToken);
        try
        {
            await closed.Task.WaitAsync(_closeTimeout, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or PcpuIpsecException)
        {
            GatewayLog.CloseUnconfirmed(_log, name, _closeTimeout);
        }
        await _edge.Loop.AskAsync(
            () =>
            {
                _edge.Feed(new CloseConnection(name, Forget: true));
                return true;
            },
            CancellationToken.None);
    }

    private async Task ReleaseAsync(string name)
    {
        IkeConnection connection = await _edge.Loop.AskAsync(() => Known(name).Options.Connection, CancellationToken.None);
        // Also the SAs whose end the peer has not confirmed: none may outlive its policy.
        await _edge.Plane.CallAsync(plane => plane.ReleaseAsync(name, CancellationToken.None));
        await UnbindAsync(connection);
        await _edge.Loop.AskAsync(
            () =>
            {
                _edge.Remove(Known(name));
                GatewayLog.TunnelRemoved(_log, name);
                _reporter.Publish(GatewayEventKind.TunnelRemoved, name, "removed; its traffic is no longer protected");
                return true;
            },
            CancellationToken.None);
    }

    /// <returns>How many tunnels there are, which stay held.</returns>
    private async Task<int> CloseAllAsync()
    {
        string[] names = await _edge.Loop.AskAsync(() => _edge.Tunnels.Select(t => t.Name).ToArray(), CancellationToken.None);
        await Task.WhenAll(names.Select(name => CloseConfirmedAsync(name, CancellationToken.None)));
        return names.Length;
    }

    /// <summary>The tunnel of a name. On the loop.</summary>
    private Tunnel Known(string name)
        => _edge.Find(name) ?? throw new PcpuIpsecException(
            PcpuIpsecError.InvalidOption,
            $"tunnel: '{name}' is unknown; known are: {string.Join(", ", _edge.Tunnels.Select(t => t.Name).DefaultIfEmpty("none"))}");
}
