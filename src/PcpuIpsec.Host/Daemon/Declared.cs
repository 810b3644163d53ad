using System.Text.Json;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary>A tunnel as it was declared, with its key: a file may have another one under its old name, and what is changed may have to be put back.</summary>
internal sealed class Declared : IDisposable
{
    private Secret? _key;

    private Declared(TunnelDefinition definition, TunnelOptions options, Secret key) => (Definition, Options, _key) = (definition, options, key);

    public string Name => Definition.Name;

    /// <summary>Without a key.</summary>
    public TunnelDefinition Definition { get; }

    /// <summary>With the key; good until this is disposed.</summary>
    public TunnelOptions Options { get; }

    /// <param name="definition">The declaration.</param>
    /// <param name="keyFile">Where the key of a request will be; null where the declaration says it.</param>
    /// <param name="keys">Where keys come from.</param>
    public static Declared Of(TunnelDefinition definition, string? keyFile, KeySource keys)
    {
        Secret key = keys.Read(definition);
        try
        {
            TunnelOptions options = TunnelMapping.ToOptions(definition, key);
            return new Declared(keyFile is null ? definition : definition with { PreSharedKey = null, PreSharedKeyFile = keyFile }, options, key);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    public bool IsSameAs(Declared other) => Text(Definition) == Text(other.Definition) && Options.PreSharedKey!.FixedTimeEquals(other.Options.PreSharedKey!.Span);

    /// <summary>Whether it protects some of another's traffic, as far as the declarations tell.</summary>
    public bool Shares(Declared other) => Local(Options).Intersect(Local(other.Options)).Any() && Remote(Options).Intersect(Remote(other.Options)).Any();

    /// <summary>Gives it to another owner: this one's disposal does nothing then.</summary>
    public Declared Take()
    {
        var taken = new Declared(Definition, Options, _key!);
        _key = null;
        return taken;
    }

    public void Dispose() => _key?.Dispose();

    private static IEnumerable<string> Local(TunnelOptions o) => o.LocalSelectors.Count == 0 ? [o.LocalAddress.ToString()] : o.LocalSelectors.Select(s => s.ToString());

    private static IEnumerable<string> Remote(TunnelOptions o) => o.RemoteSelectors.Count == 0 ? [o.RemoteAddress.ToString()] : o.RemoteSelectors.Select(s => s.ToString());

    private static string Text(TunnelDefinition definition) => JsonSerializer.Serialize(definition, WireJson.Default.TunnelDefinition);
}

/// <summary>What the folder declares, by name; disposes what nobody took.</summary>
internal sealed class Declarations : IDisposable
{
    private readonly SortedDictionary<string, Declared> _byName = new(StringComparer.Ordinal);

    public IReadOnlyCollection<Declared> All => _byName.Values;

    public Declared? Find(string name) => _byName.GetValueOrDefault(name);

    public void Add(Declared declared) => _byName.Add(declared.Name, declared);

    public Declared Take(string name) => _byName.Remove(name, out Declared? declared) ? declared : throw new InvalidOperationException($"'{name}' was taken.");

    public void Dispose()
    {
        foreach (Declared declared in _byName.Values)
            declared.Dispose();
    }
}
