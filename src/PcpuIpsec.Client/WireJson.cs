using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PcpuIpsec.Client;

/// <summary>How both ends of the socket write and read.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    AllowDuplicateProperties = false,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TunnelDefinition))]
[JsonSerializable(typeof(IReadOnlyList<Tunnel>))]
[JsonSerializable(typeof(TunnelChange))]
[JsonSerializable(typeof(IReadOnlyList<ChildSa>))]
[JsonSerializable(typeof(DaemonInfo))]
[JsonSerializable(typeof(ReloadResult))]
[JsonSerializable(typeof(IReadOnlyList<DaemonEvent>))]
[JsonSerializable(typeof(IReadOnlyList<HostCheck>))]
[JsonSerializable(typeof(IReadOnlyList<XfrmState>))]
[JsonSerializable(typeof(IReadOnlyList<XfrmPolicy>))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, long>))]
[JsonSerializable(typeof(IReadOnlyList<NicTuning>))]
[JsonSerializable(typeof(IReadOnlyList<IrqAffinity>))]
[JsonSerializable(typeof(IReadOnlyList<TuningChange>))]
[JsonSerializable(typeof(NicTuningRequest))]
[JsonSerializable(typeof(IrqAffinityRequest))]
[JsonSerializable(typeof(OptimizeRequest))]
[JsonSerializable(typeof(Lab))]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(MoveRequest))]
internal sealed partial class WireJson : JsonSerializerContext
{
    /// <summary>For people who read what comes over the socket: quotes as they are, since no page of HTML will have it.</summary>
    public static WireJson Readable => field ??= new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    /// <summary>For files that people read.</summary>
    public static WireJson Indented => field ??= new(new JsonSerializerOptions(Readable.Options) { WriteIndented = true });
}

/// <summary>Enums by name, as <c>kebab-case</c>; numbers are refused.</summary>
internal sealed class KebabCaseEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false)
    where T : struct, Enum;
