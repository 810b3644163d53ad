using System.Text.Json.Serialization;

namespace PcpuIpsec.Tuning;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(TuningJournal.Header))]
[JsonSerializable(typeof(JournalEntry))]
internal sealed partial class TuningJson : JsonSerializerContext;
