using System.Globalization;
using System.Text.Json;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Options as a declaration in JSON has them.</summary>
internal sealed class JsonWords : OptionWords
{
    private static readonly Dictionary<string, string> _named = new()
    {
        [nameof(TunnelOptions.ChildRekeyTime)] = nameof(TunnelDefinition.ChildRekeySeconds),
        [nameof(TunnelOptions.IkeRekeyTime)] = nameof(TunnelDefinition.IkeRekeySeconds),
        [nameof(TunnelOptions.LivenessInterval)] = nameof(TunnelDefinition.LivenessSeconds),
        [nameof(TunnelOptions.RetransmitGiveUp)] = nameof(TunnelDefinition.RetransmitGiveUpSeconds),
        [nameof(PerCpuOptions.IdleTime)] = nameof(PerCpuDefinition.IdleSeconds),
    };

    private JsonWords()
    {
    }

    public static JsonWords Instance { get; } = new();

    public override string Name(string path)
        => string.Join('.', path.Split('.').Select(name => JsonNamingPolicy.CamelCase.ConvertName(_named.GetValueOrDefault(name, name))));

    public override string Value(object? value) => value switch
    {
        TimeSpan time => time.TotalSeconds.ToString(CultureInfo.InvariantCulture),
        bool flag => flag ? "true" : "false",
        Enum => JsonNamingPolicy.KebabCaseLower.ConvertName($"{value}"),
        TrafficPair pair => $"{pair.Local?.ToString() ?? Name(nameof(TunnelOptions.LocalSelectors))} to {pair.Remote?.ToString() ?? Name(nameof(TunnelOptions.RemoteSelectors))}",
        _ => base.Value(value),
    };
}
