using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PcpuIpsec.Measurement;

/// <summary>Reads and writes results.json.</summary>
internal static class ResultsFile
{
    private static readonly JsonSerializerOptions _options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        // Gaps stay visible as null.
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    public static string Serialize(LabResults results) => JsonSerializer.Serialize(results, _options) + "\n";

    public static LabResults Parse(string json)
    {
        LabResults results = JsonSerializer.Deserialize<LabResults>(json, _options)
            ?? throw new JsonException("null is no lab result.");
        return results.SchemaVersion == LabResults.CurrentSchemaVersion
            ? results
            : throw new JsonException($"schemaVersion = {results.SchemaVersion}: this version reads {LabResults.CurrentSchemaVersion}.");
    }
}
