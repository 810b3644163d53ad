using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using Wire = PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>
/// The declared tunnels: the folder and the gateway say the same. One change at a time; the folder is written before a tunnel is
/// held, and cleared once it is not, so that a daemon that is killed between finds what the kernel holds declared.
/// </summary>
internal sealed partial class TunnelKeeper(TunnelFolder folder, KeySource keys, ILogger log) : IDisposable
{
    private static readonly TimeSpan _closePatience = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _changing = new(1, 1);
    private ImmutableSortedDictionary<string, Declared> _declared = ImmutableSortedDictionary.Create<string, Declared>(StringComparer.Ordinal);
    private readonly HashSet<string> _ignored = [];
    private IpsecGateway? _gateway;

    /// <summary>The gateway, once <see cref="OpenAsync"/> has made it.</summary>
    public IpsecGateway Gateway => _gateway ?? throw new InvalidOperationException("The keeper was not opened.");

    public IEnumerable<string> Names => _declared.Keys;

    /// <summary>Starts the gateway with what the folder declares: all of it, or nothing where one declaration is wrong.</summary>
    public async Task OpenAsync(Func<IReadOnlyList<TunnelOptions>, Task<IpsecGateway>> start)
    {
        using Declarations read = Read();
        _gateway = await start([.. read.All.Select(d => d.Options)]);
        foreach (Declared declared in read.All.ToArray())
            Set(declared.Name, read.Take(declared.Name));
    }

    public async Task<IReadOnlyList<Wire.Tunnel>> ListAsync(CancellationToken cancellationToken)
    {
        GatewayStatus status = await Gateway.GetStatusAsync(cancellationToken);
        ImmutableSortedDictionary<string, Declared> declared = _declared;
        // One that is being added or removed is in one of the two alone.
        return [.. status.Tunnels.Where(t => declared.ContainsKey(t.Name)).OrderBy(t => t.Name, StringComparer.Ordinal).Select(t => StatusMapping.ToWire(t, declared[t.Name].Definition))];
    }

    public async Task<Wire.Tunnel> FindAsync(string name, CancellationToken cancellationToken)
        => _declared.GetValueOrDefault(name) is { } declared && await Gateway.FindTunnelAsync(name, cancellationToken) is { } tunnel
            ? StatusMapping.ToWire(tunnel, declared.Definition)
            : throw ApiException.NoTunnel(name);

    public async Task<TunnelChange> CreateAsync(TunnelDefinition definition, CancellationToken cancellationToken)
    {
        bool changed = await ChangeAsync(
            async () =>
            {
                using Declared fresh = Declared.Of(definition, definition.PreSharedKey is null ? null : folder.KeyFileOf(definition.Name), keys);
                if (_declared.TryGetValue(definition.Name, out Declared? known))
                {
                    return known.IsSameAs(fresh) ? false
                        : throw new ApiException(409, "conflict", $"There is a tunnel '{definition.Name}', and it is declared otherwise; change that one (PUT /v1/tunnels/{definition.Name}, Set-PcpuTunnel), or choose another name.");
                }
                CheckKeyIsItsOwn(definition);
                Gateway.CheckTunnel(fresh.Options);
                if (Path.Exists(folder.FileOf(definition.Name)))
                    throw new ApiException(409, "conflict", $"{folder.FileOf(definition.Name)} declares a tunnel '{definition.Name}' and was not read yet; reload, or delete that file.");
                using StagedDeclaration staged = folder.Stage(fresh.Definition, definition.PreSharedKey);
                staged.Commit();
                try
                {
                    await Gateway.AddTunnelAsync(fresh.Options, cancellationToken);
                }
                catch
                {
                    staged.TakeBack();
                    throw;
                }
                Set(definition.Name, fresh.Take());
                return true;
            },
            cancellationToken);
        return new TunnelChange { Changed = changed, Tunnel = await FindAsync(definition.Name, cancellationToken) };
    }

    public async Task<TunnelChange> UpdateAsync(string name, TunnelDefinition definition, CancellationToken cancellationToken)
    {
        if (definition.Name != name)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"name: '{definition.Name}' is not the request's; allowed is '{name}'");
        bool changed = await ChangeAsync(
            async () =>
            {
                Declared known = _declared.GetValueOrDefault(name) ?? throw ApiException.NoTunnel(name);
                if (definition is { PreSharedKey: null, PreSharedKeyFile: null, PreSharedKeyCredential: null })
                    definition = definition with { PreSharedKeyFile = known.Definition.PreSharedKeyFile, PreSharedKeyCredential = known.Definition.PreSharedKeyCredential };
                using Declared fresh = Declared.Of(definition, definition.PreSharedKey is null ? null : folder.KeyFileOf(name), keys);
                if (known.IsSameAs(fresh))
                    return false;
                CheckKeyIsItsOwn(definition);
                if (definition.PreSharedKey is not null && OthersWithKeyOf(name) is [var other, ..])
                    throw new ApiException(409, "conflict", $"The key of '{name}' is that of '{other}', too; give '{other}' one of its own first.");
                Gateway.CheckTunnel(fresh.Options);
                using StagedDeclaration staged = folder.Stage(fresh.Definition, definition.PreSharedKey);
                await Gateway.ReplaceTunnelAsync(fresh.Options, cancellationToken);
                try
                {
                    staged.Commit();
                }
                catch (PcpuIpsecException)
                {
                    await Gateway.ReplaceTunnelAsync(known.Options, CancellationToken.None);
                    throw;
                }
                if (known.Definition.PreSharedKeyFile == folder.KeyFileOf(name) && fresh.Definition.PreSharedKeyFile != known.Definition.PreSharedKeyFile && OthersWithKeyOf(name).Length == 0)
                    folder.DeleteKey(name);
                Set(name, fresh.Take());
                known.Dispose();
                return true;
            },
            cancellationToken);
        return new TunnelChange { Changed = changed, Tunnel = await FindAsync(name, cancellationToken) };
    }

    public async Task<TunnelChange> DeleteAsync(string name, CancellationToken cancellationToken)
    {
        await ChangeAsync(
            async () =>
            {
                Declared known = _declared.GetValueOrDefault(name) ?? throw ApiException.NoTunnel(name);
                // Once begun it is done, whoever still waits for it: closed and not removed it would stay down.
                await Gateway.RemoveTunnelAsync(name, CancellationToken.None);
                Set(name, null);
                known.Dispose();
                folder.Delete(name, withKey: OthersWithKeyOf(name).Length == 0);
                return true;
            },
            cancellationToken);
        return new TunnelChange { Changed = true };
    }

    public async Task<TunnelChange> StartAsync(string name, bool allChildSas, CancellationToken cancellationToken)
    {
        bool wasUp = (await FindAsync(name, cancellationToken)) is { State: Wire.TunnelState.Up } before && before.ChildSas.Any(c => c.IsFallback);
        if (!wasUp)
            await Gateway.ConnectAsync(name, cancellationToken);
        if (allChildSas)
            await Gateway.WaitForChildSasAsync(name, cancellationToken);
        return new TunnelChange { Changed = !wasUp, Tunnel = await FindAsync(name, cancellationToken) };
    }

    public async Task<TunnelChange> StopAsync(string name, CancellationToken cancellationToken)
    {
        bool wasDown = (await FindAsync(name, cancellationToken)).State == Wire.TunnelState.Down;
        // Also where it is down: it is not initiated again.
        await Gateway.CloseTunnelAsync(name, cancellationToken);
        return new TunnelChange { Changed = !wasDown, Tunnel = await FindAsync(name, cancellationToken) };
    }

    /// <summary>Lets all traffic go; what is declared stays so.</summary>
    /// <exception cref="PcpuIpsecException">Some of it could not be: that is held.</exception>
    public Task ReleaseAsync() => ChangeAsync(
        async () =>
        {
            // All peers at once: those that are silent keep us no longer than one does.
            await Task.WhenAll(_declared.Keys.Select(CloseAsync));
            List<string> faults = [];
            foreach ((string name, Declared declared) in _declared)
            {
                try
                {
                    await Gateway.RemoveTunnelAsync(name, CancellationToken.None);
                    Set(name, null);
                    declared.Dispose();
                }
                catch (PcpuIpsecException e)
                {
                    faults.Add($"'{name}' ({e.Message})");
                }
            }
            return faults.Count == 0 ? true : throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"Not released, and held until pcpu-ipsec release: {string.Join("; ", faults)}");
        },
        CancellationToken.None);

    /// <summary>A key that came with another tunnel goes with it.</summary>
    private void CheckKeyIsItsOwn(TunnelDefinition definition)
    {
        if (definition.PreSharedKeyFile is { } file && folder.OwnerOfKey(file) is { } owner && owner != definition.Name)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"preSharedKeyFile: '{file}' is the key of '{owner}' and goes with it; allowed is a file elsewhere, or preSharedKey");
    }

    private string[] OthersWithKeyOf(string name)
        => [.. _declared.Values.Where(d => d.Name != name && d.Definition.PreSharedKeyFile is { } file && folder.OwnerOfKey(file) == name).Select(d => d.Name)];

    private async Task CloseAsync(string name)
    {
        using var patience = new CancellationTokenSource(_closePatience);
        try
        {
            await Gateway.CloseTunnelAsync(name, patience.Token);
        }
        catch (Exception e) when (e is PcpuIpsecException or OperationCanceledException)
        {
            // Its removal closes it once more, and tells of what stands in the way.
        }
    }

    /// <summary>Forgets the keys; nothing is changed any more.</summary>
    public void Dispose()
    {
        foreach (Declared declared in _declared.Values)
            declared.Dispose();
        _changing.Dispose();
    }

    private async Task<bool> ChangeAsync(Func<Task<bool>> change, CancellationToken cancellationToken)
    {
        await _changing.WaitAsync(cancellationToken);
        try
        {
            return await change();
        }
        finally
        {
            _changing.Release();
        }
    }

    private void Set(string name, Declared? declared) => _declared = declared is null ? _declared.Remove(name) : _declared.SetItem(name, declared);

    private Declarations Read()
    {
        string[] ignored = [.. folder.Ignored().Where(_ignored.Add)];
        if (ignored.Length > 0)
            DaemonLog.Ignored(log, folder.Path, string.Join(", ", ignored));
        var read = new Declarations();
        List<string> faults = [];
        try
        {
            foreach (TunnelDefinition definition in folder.Read())
            {
                try
                {
                    read.Add(Declared.Of(definition, keyFile: null, keys));
                }
                catch (PcpuIpsecException e)
                {
                    faults.Add($"{folder.FileOf(definition.Name)}: {e.Message}");
                }
            }
            return faults.Count == 0 ? read : throw TunnelFolder.Wrong(faults);
        }
        catch
        {
            read.Dispose();
            throw;
        }
    }
}
