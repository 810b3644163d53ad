using System.Globalization;
using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Host.Daemon;

/// <summary>A declaration in the library's terms. What is not given is the library's default.</summary>
internal static class TunnelMapping
{
    // What a TimeSpan can add to a date; each option has narrower bounds of its own.
    private const double SecondsAtMost = 1e9;

    public static TunnelOptions ToOptions(TunnelDefinition definition, Secret key)
    {
        var defaults = new TunnelOptions
        {
            Name = definition.Name,
            LocalAddress = Address(nameof(definition.LocalAddress), definition.LocalAddress),
            RemoteAddress = Address(nameof(definition.RemoteAddress), definition.RemoteAddress),
        };
        return defaults with
        {
            Words = JsonWords.Instance,
            LocalId = definition.LocalId,
            RemoteId = definition.RemoteId,
            PreSharedKey = key,
            LocalSelectors = Selectors(nameof(definition.LocalSelectors), definition.LocalSelectors),
            RemoteSelectors = Selectors(nameof(definition.RemoteSelectors), definition.RemoteSelectors),
            Mode = definition.Mode is { } mode ? (IpsecMode)mode : defaults.Mode,
            IkeSuites = Texts(nameof(definition.IkeSuites), definition.IkeSuites) ?? defaults.IkeSuites,
            EspSuites = Texts(nameof(definition.EspSuites), definition.EspSuites) ?? defaults.EspSuites,
            Esn = definition.Esn,
            PerCpu = definition.PerCpu is { } perCpu ? PerCpu(perCpu) : null,
            ForceEncapsulation = definition.ForceEncapsulation ?? defaults.ForceEncapsulation,
            IkePort = definition.IkePort ?? defaults.IkePort,
            NatTraversalPort = definition.NatTraversalPort ?? defaults.NatTraversalPort,
            ReplayWindow = definition.ReplayWindow ?? defaults.ReplayWindow,
            ChildRekeyTime = Time(nameof(definition.ChildRekeySeconds), definition.ChildRekeySeconds, defaults.ChildRekeyTime),
            IkeRekeyTime = Time(nameof(definition.IkeRekeySeconds), definition.IkeRekeySeconds, defaults.IkeRekeyTime),
            LivenessInterval = Time(nameof(definition.LivenessSeconds), definition.LivenessSeconds, defaults.LivenessInterval),
            RetransmitGiveUp = definition.RetransmitGiveUpSeconds is { } giveUp ? Span(nameof(definition.RetransmitGiveUpSeconds), giveUp) : defaults.RetransmitGiveUp,
            StartAction = definition.StartAction is { } start ? (StartAction)start : defaults.StartAction,
            XfrmInterface = definition.XfrmInterface is { } i ? new XfrmInterfaceOptions { Name = i.Name, Id = i.Id, Mtu = i.Mtu, Routes = Texts("XfrmInterface.Routes", i.Routes) } : null,
            Mss = definition.Mss is { } mss ? Mss(mss) : null,
            Bypass = Exceptions(nameof(definition.Bypass), definition.Bypass),
            Discard = Exceptions(nameof(definition.Discard), definition.Discard),
        };
    }

    private static PerCpuOptions PerCpu(PerCpuDefinition perCpu) => new()
    {
        Cpus = perCpu.Cpus,
        OnDemand = perCpu.OnDemand ?? false,
        MaxChildSas = perCpu.MaxChildSas,
        IdleTime = Time("PerCpu.IdleSeconds", perCpu.IdleSeconds, null),
        SourcePortPerSa = perCpu.SourcePortPerSa ?? false,
    };

    private static IPAddress Address(string field, string? value)
        // As an IPv4 address .NET takes 0x0a000001, and 10.1 for 10.0.0.1; neither is what anyone means here.
        => IPAddress.TryParse(value, out IPAddress? address) && (address.AddressFamily == AddressFamily.InterNetworkV6 || address.ToString() == value) ? address : throw Bad(field, value, "an IPv4 or IPv6 address");

    private static TimeSpan? Time(string field, double? seconds, TimeSpan? defaultTime) => seconds switch
    {
        null => defaultTime,
        0 => null,
        { } value => Span(field, value),
    };

    private static TimeSpan Span(string field, double seconds)
        => seconds is >= 0 and <= SecondsAtMost ? TimeSpan.FromSeconds(seconds) : throw Bad(field, seconds, $"seconds from 0 to {SecondsAtMost:0}");

    private static MssClamp Mss(string text) => text switch
    {
        "auto" => MssClamp.Auto,
        "off" => MssClamp.Off,
        _ when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int bytes) => bytes,
        _ => throw Bad(nameof(TunnelDefinition.Mss), text, "auto, off or a number"),
    };

    private static IReadOnlyList<SelectorOption> Selectors(string field, IReadOnlyList<string>? texts) => [.. (Texts(field, texts) ?? []).Select(t => (SelectorOption)t)];

    private static IReadOnlyList<TrafficPair> Exceptions(string field, IReadOnlyList<TrafficException>? exceptions)
        => [.. (exceptions ?? []).Select((e, i) => e is null ? throw Bad($"{field}[{i}]", "null", "an object with local, remote or both") : new TrafficPair { Local = Selector(e.Local), Remote = Selector(e.Remote) })];

    private static SelectorOption? Selector(string? text) => text is null ? default(SelectorOption?) : (SelectorOption)text;

    /// <summary>JSON's lists may have nulls in them, whatever their type says.</summary>
    private static IReadOnlyList<string>? Texts(string field, IReadOnlyList<string>? texts)
        => texts is null || !texts.Contains(null!) ? texts : throw Bad(field, "null", "text in each place");

    private static PcpuIpsecException Bad(string field, object? value, string allowed)
        => new(PcpuIpsecError.InvalidOption, $"{JsonWords.Instance.Name(field)}: '{JsonWords.Instance.Value(value)}' is not allowed; allowed: {allowed}");
}
