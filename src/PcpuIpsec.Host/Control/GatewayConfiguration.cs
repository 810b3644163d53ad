using System.Buffers;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Host.Control;

/// <summary>The JSON configuration of <c>pcpu-ipsec gateway</c>: the library's options by their own names in camelCase.</summary>
internal sealed record GatewayConfiguration
{
    public DataPlaneKind DataPlane { get; init; } = DataPlaneKind.Auto;
    public IReadOnlyList<int>? Cpus { get; init; }
    public bool SteerByFlow { get; init; }
    public IReadOnlyList<TunnelConfiguration> Tunnels { get; init; } = [];

    private static readonly JsonSerializerOptions _options = MakeOptions(reveal: false);
    private static readonly JsonSerializerOptions _revealing = MakeOptions(reveal: true);

    /// <summary>Parses a configuration. A wrong one is refused by the place in it, never by what stands there.</summary>
    public static GatewayConfiguration Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize<GatewayConfiguration>(json, _options)
                ?? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "The configuration is null; a JSON object is needed.");
        }
        catch (JsonException e)
        {
            // The exception's own text may quote the document, which holds keys.
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption,
                $"The configuration has {Fault(e)} at {e.Path ?? "$"} (line {(e.LineNumber ?? 0) + 1}, byte {(e.BytePositionInLine ?? 0) + 1}); docs/command-line.md lists the fields.");
        }
    }

    private static string Fault(JsonException e) => e switch
    {
        { InnerException: JsonException } => "no valid JSON",
        _ when e.Message.Contains("could not be mapped", StringComparison.Ordinal) => "a field that does not exist",
        _ when e.Message.Contains("missing required properties", StringComparison.Ordinal) => "a required field missing",
        _ => "a value that is not allowed",
    };

    /// <summary>Starts a gateway with it. The keys in it are disposed: the gateway holds its own.</summary>
    /// <param name="startAction">Instead of the tunnels' own, where given.</param>
    /// <param name="loggers">Where the log goes.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    public async Task<IpsecGateway> StartAsync(StartAction? startAction, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        try
        {
            return await IpsecGateway.StartAsync(
                new GatewayOptions
                {
                    DataPlane = DataPlane,
                    Cpus = Cpus,
                    SteerByFlow = SteerByFlow,
                    LoggerFactory = loggers,
                    Tunnels = [.. Tunnels.Select(t => t with { StartAction = startAction ?? t.StartAction }).Select(t => t.ToOptions())],
                },
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            foreach (TunnelConfiguration tunnel in Tunnels)
                tunnel.PreSharedKey?.Dispose();
        }
    }

    /// <summary>Writes the configuration with its keys, on one line, into memory that the caller zeroes.</summary>
    public void WriteWithKeys(IBufferWriter<byte> output)
    {
        using var writer = new Utf8JsonWriter(output);
        JsonSerializer.Serialize(writer, this, _revealing);
    }

    /// <summary>The configuration with its keys redacted.</summary>
    public override string ToString() => JsonSerializer.Serialize(this, _options);

    private static JsonSerializerOptions MakeOptions(bool reveal) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false), new SecretConverter(reveal), new MssClampConverter() },
    };
}

/// <summary>One tunnel of the configuration. What is not given is the library's default.</summary>
internal sealed record TunnelConfiguration
{
    public required string Name { get; init; }
    public required string LocalAddress { get; init; }
    public required string RemoteAddress { get; init; }
    public string? LocalId { get; init; }
    public string? RemoteId { get; init; }
    public Secret? PreSharedKey { get; init; }
    public string? PreSharedKeyFile { get; init; }
    public IReadOnlyList<string>? LocalSelectors { get; init; }
    public IReadOnlyList<string>? RemoteSelectors { get; init; }
    public IpsecMode? Mode { get; init; }
    public IReadOnlyList<string>? IkeSuites { get; init; }
    public IReadOnlyList<string>? EspSuites { get; init; }
    public bool? Esn { get; init; }

    /// <summary>Present, even if empty: one Child SA per CPU.</summary>
    public PerCpuOptions? PerCpu { get; init; }
    public bool? ForceEncapsulation { get; init; }
    public int? ReplayWindow { get; init; }

    /// <summary>0 is never, here and in the other times.</summary>
    public double? ChildRekeySeconds { get; init; }
    public double? IkeRekeySeconds { get; init; }
    public double? LivenessSeconds { get; init; }
    public double? RetransmitGiveUpSeconds { get; init; }
    public StartAction? StartAction { get; init; }
    public XfrmInterfaceOptions? XfrmInterface { get; init; }
    public MssClamp? Mss { get; init; }
    public IReadOnlyList<ExceptionConfiguration>? Bypass { get; init; }
    public IReadOnlyList<ExceptionConfiguration>? Discard { get; init; }

    public TunnelOptions ToOptions()
    {
        var defaults = new TunnelOptions { Name = Name, LocalAddress = Address(nameof(LocalAddress), LocalAddress), RemoteAddress = Address(nameof(RemoteAddress), RemoteAddress) };
        return defaults with
        {
            LocalId = LocalId,
            RemoteId = RemoteId,
            PreSharedKey = PreSharedKey,
            PreSharedKeyFile = PreSharedKeyFile,
            LocalSelectors = [.. (LocalSelectors ?? []).Select(s => (SelectorOption)s)],
            RemoteSelectors = [.. (RemoteSelectors ?? []).Select(s => (SelectorOption)s)],
            Mode = Mode ?? defaults.Mode,
            IkeSuites = IkeSuites ?? defaults.IkeSuites,
            EspSuites = EspSuites ?? defaults.EspSuites,
            Esn = Esn,
            PerCpu = PerCpu,
            ForceEncapsulation = ForceEncapsulation ?? defaults.ForceEncapsulation,
            ReplayWindow = ReplayWindow ?? defaults.ReplayWindow,
            ChildRekeyTime = Seconds(ChildRekeySeconds, defaults.ChildRekeyTime),
            // The library's default life is a tenth above its default rekey time; another rekey time keeps that.
            ChildLifeTime = Seconds(ChildRekeySeconds * 1.1, defaults.ChildLifeTime),
            IkeRekeyTime = Seconds(IkeRekeySeconds, defaults.IkeRekeyTime),
            LivenessInterval = Seconds(LivenessSeconds, defaults.LivenessInterval),
            RetransmitGiveUp = RetransmitGiveUpSeconds is { } giveUp ? TimeSpan.FromSeconds(giveUp) : defaults.RetransmitGiveUp,
            StartAction = StartAction ?? defaults.StartAction,
            XfrmInterface = XfrmInterface,
            Mss = Mss,
            Bypass = [.. (Bypass ?? []).Select(e => e.ToOption())],
            Discard = [.. (Discard ?? []).Select(e => e.ToOption())],
        };
    }

    private IPAddress Address(string field, string value)
        => IPAddress.TryParse(value, out IPAddress? address)
            ? address
            : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"Tunnel '{Name}': {field} = '{value}' is no IP address; an IPv4 or IPv6 address is needed.");

    private static TimeSpan? Seconds(double? seconds, TimeSpan? defaultTime) => seconds switch
    {
        null => defaultTime,
        0 => null,
        { } value => TimeSpan.FromSeconds(value),
    };
}

/// <summary>A <see cref="TrafficPair"/>.</summary>
internal sealed record ExceptionConfiguration
{
    public string? Local { get; init; }
    public string? Remote { get; init; }

    public TrafficPair ToOption() => new() { Local = Selector(Local), Remote = Selector(Remote) };

    private static SelectorOption? Selector(string? text) => text is null ? default(SelectorOption?) : (SelectorOption)text;
}
