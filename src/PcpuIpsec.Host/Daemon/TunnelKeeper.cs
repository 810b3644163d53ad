using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using Wire = PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>
/// The declared tunnels: the folder and the gateway say the same. One change at a time; the folder is written before a tunnel is
/// held, and cleared once it is not, so that a daemon that is killed between finds what the kernel holds declared.
/// </summary>
internal sealed class TunnelKeeper(TunnelFolder folder, KeySource keys)
{
    private readonly SemaphoreSlim _changing = new(1, 1);
    private ImmutableSortedDictionary<string, Declared> _declared = ImmutableSortedDictionary.Create<string, Declared>(StringComparer.Ordinal);
    private IpsecGateway? _gateway;

    /// <summary>The gateway, once <see cref="OpenAsync"/> has made it.</summary>
    public IpsecGateway Gateway => _gateway ?? throw new InvalidOperationException("The keeper was not opened.");

    public IEnumerable<string> Names => _declared.Keys;

    /// <summary>Starts the gateway with what the folder declares: all of it, or nothing where one declaration is wrong.</summary>
    public async Task OpenAsync(Func<IReadOnlyList<TunnelOptions>, Task<IpsecGateway>> start)
    {
        using Change change = Read();
        _gateway = await start([.. change.Options.Values]);
        _declared = change.Declared;
    }

    public async Task<IReadOnlyList<Wire.Tunnel>> ListAsync(CancellationToken cancellationToken)
    {
        GatewayStatus status = await Gateway.GetStatusAsync(cancellationToken);
        ImmutableSortedDictionary<string, Declared> declared = _declared;
        // One that is being added or removed is in one of the two alone.
        return [.. status.Tunnels.Where(t => declared.ContainsKey(t.Name)).Select(t => StatusMapping.ToWire(t, declared[t.Name].Definition))];
    }

    public async Task<Wire.Tunnel> FindAsync(string name, CancellationToken cancellationToken)
        => (await ListAsync(cancellationToken)).FirstOrDefault(t => t.Name == name) ?? throw ApiException.NoTunnel(name);

    public async Task<TunnelChange> CreateAsync(TunnelDefinition definition, CancellationToken cancellationToken)
    {
        bool changed = await ChangeAsync(
            async () =>
            {
                using Secret key = keys.Read(definition);
                TunnelOptions options = TunnelMapping.ToOptions(definition, key);
                var fresh = new Declared(WithoutKey(definition), keys.Print(key));
                if (_declared.TryGetValue(definition.Name, out Declared? known))
                {
                    return known.IsSameAs(fresh) ? false
                        : throw new ApiException(409, "conflict", $"There is a tunnel '{definition.Name}', and it is declared otherwise; update that one, or choose another name.");
                }
                Gateway.CheckTunnel(options);
                using (StagedDeclaration staged = folder.Stage(fresh.Definition, definition.PreSharedKey))
                    staged.Commit();
                try
                {
                    await Gateway.AddTunnelAsync(options, cancellationToken);
                }
                catch
                {
                    folder.Delete(definition.Name);
                    throw;
                }
                _declared = _declared.SetItem(definition.Name, fresh);
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
                using Secret key = keys.Read(definition);
                TunnelOptions options = TunnelMapping.ToOptions(definition, key);
                var fresh = new Declared(WithoutKey(definition), keys.Print(key));
                if (known.IsSameAs(fresh))
                    return false;
                Gateway.CheckTunnel(options);
                using StagedDeclaration staged = folder.Stage(fresh.Definition, definition.PreSharedKey);
                await Gateway.ReplaceTunnelAsync(options, cancellationToken);
                staged.Commit();
                _declared = _declared.SetItem(name, fresh);
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
                if (!_declared.ContainsKey(name))
                    throw ApiException.NoTunnel(name);
                await Gateway.RemoveTunnelAsync(name, cancellationToken);
                folder.Delete(name);
                _declared = _declared.Remove(name);
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

    /// <summary>Does what the folder declares now. Nothing is changed where a declaration shows to be wrong before it is applied.</summary>
    public async Task<ReloadResult> ReloadAsync(CancellationToken cancellationToken)
    {
        List<string> added = [], updated = [], removed = [];
        await ChangeAsync(
            async () =>
            {
                using Change change = Read();
                removed.AddRange(_declared.Keys.Where(name => !change.Declared.ContainsKey(name)));
                added.AddRange(change.Declared.Keys.Where(name => !_declared.ContainsKey(name)));
                updated.AddRange(change.Declared.Where(d => _declared.TryGetValue(d.Key, out Declared? known) && !known.IsSameAs(d.Value)).Select(d => d.Key));
                Check(change, [.. added, .. updated]);
                foreach (string name in removed)
                {
                    await Gateway.RemoveTunnelAsync(name, cancellationToken);
                    _declared = _declared.Remove(name);
                }
                foreach (string name in updated)
                {
                    await Gateway.ReplaceTunnelAsync(change.Options[name], cancellationToken);
                    _declared = _declared.SetItem(name, change.Declared[name]);
                }
                foreach (string name in added)
                {
                    await Gateway.AddTunnelAsync(change.Options[name], cancellationToken);
                    _declared = _declared.SetItem(name, change.Declared[name]);
                }
                return true;
            },
            cancellationToken);
        return new ReloadResult { Added = added, Updated = updated, Removed = removed, Unchanged = [.. _declared.Keys.Except([.. added, .. updated])] };
    }

    /// <summary>Lets all traffic go; what is declared stays so.</summary>
    public Task ReleaseAsync() => ChangeAsync(
        async () =>
        {
            foreach (string name in _declared.Keys)
                await Gateway.RemoveTunnelAsync(name, CancellationToken.None);
            _declared = _declared.Clear();
            return true;
        },
        CancellationToken.None);

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

    private TunnelDefinition WithoutKey(TunnelDefinition definition)
        => definition.PreSharedKey is null ? definition : definition with { PreSharedKey = null, PreSharedKeyFile = folder.KeyFileOf(definition.Name) };

    private Change Read()
    {
        var change = new Change();
        List<string> faults = [];
        try
        {
            foreach (TunnelDefinition definition in folder.Read())
            {
                try
                {
                    Secret key = keys.Read(definition);
                    change.Keys.Add(key);
                    change.Options.Add(definition.Name, TunnelMapping.ToOptions(definition, key));
                    change.Declared = change.Declared.Add(definition.Name, new Declared(definition, keys.Print(key)));
                }
                catch (PcpuIpsecException e)
                {
                    faults.Add($"{folder.FileOf(definition.Name)}: {e.Message}");
                }
            }
            return faults.Count == 0 ? change : throw TunnelFolder.Wrong(faults);
        }
        catch
        {
            change.Dispose();
            throw;
        }
    }

    private void Check(Change change, IReadOnlyList<string> names)
    {
        List<string> faults = [];
        foreach (string name in names)
        {
            try
            {
                Gateway.CheckTunnel(change.Options[name]);
            }
            catch (PcpuIpsecException e)
            {
                faults.Add($"{folder.FileOf(name)}: {e.Message}");
            }
        }
        if (faults.Count > 0)
            throw TunnelFolder.Wrong(faults);
    }

    /// <summary>A tunnel as it was declared, and a print of its key: a file may have another one under its old name.</summary>
    private sealed record Declared(TunnelDefinition Definition, byte[] KeyPrint)
    {
        public bool IsSameAs(Declared other) => Text(Definition) == Text(other.Definition) && CryptographicOperations.FixedTimeEquals(KeyPrint, other.KeyPrint);

        private static string Text(TunnelDefinition definition) => JsonSerializer.Serialize(definition, WireJson.Default.TunnelDefinition);
    }

    /// <summary>What the folder declares, with its keys for as long as it takes to apply it.</summary>
    private sealed class Change : IDisposable
    {
        public ImmutableSortedDictionary<string, Declared> Declared { get; set; } = ImmutableSortedDictionary.Create<string, Declared>(StringComparer.Ordinal);

        public SortedDictionary<string, TunnelOptions> Options { get; } = new(StringComparer.Ordinal);

        public List<Secret> Keys { get; } = [];

        public void Dispose() => Keys.ForEach(k => k.Dispose());
    }
}
