using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Reads JSON of files and requests.</summary>
internal static class WireReader
{
    /// <summary>Reads a document. A wrong one is refused by the place in it, never by what stands there: it may hold a key.</summary>
    public static T Read<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(json, type) ?? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "The document is null; a JSON object is needed.");
        }
        catch (JsonException e)
        {
            (string fault, string allowed) = Fault(e, type);
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption,
                $"The JSON has {fault} at {e.Path ?? "$"} (line {(e.LineNumber ?? 0) + 1}, byte {(e.BytePositionInLine ?? 0) + 1}){allowed}.");
        }
    }

    private static (string Fault, string Allowed) Fault(JsonException e, JsonTypeInfo type) => e switch
    {
        { InnerException: JsonException } => ("a fault of syntax", ""),
        _ when e.Message.Contains("could not be mapped", StringComparison.Ordinal) => ("a field that does not exist", ""),
        _ when e.Message.Contains("Duplicate", StringComparison.Ordinal) => ("a field that is given twice", "; allowed is each once"),
        _ when e.Message.Contains("missing required properties", StringComparison.Ordinal) => ("a required field missing", Required(type, e.Path)),
        _ => ("a value that is not allowed", Find(type, e.Path) is { } place ? $"; allowed: {Allowed(place.Type, place.Property)}" : ""),
    };

    private static string Required(JsonTypeInfo type, string? path)
        => Find(type, path) is { } place ? $"; needed: {string.Join(", ", place.Type.Properties.Where(p => p.IsRequired).Select(p => p.Name))}" : "";

    /// <summary>What is declared at a place of the document, such as <c>$.perCpu.cpus[0]</c>; null where nothing is.</summary>
    private static (JsonTypeInfo Type, JsonPropertyInfo? Property)? Find(JsonTypeInfo type, string? path)
    {
        JsonPropertyInfo? property = null;
        foreach (string step in (path ?? "$").Split('.', '[').Skip(1))
        {
            property = step.EndsWith(']') ? null : type.Properties.FirstOrDefault(p => p.Name == step);
            Type? next = step.EndsWith(']') ? type.ElementType : property?.PropertyType;
            if (next is null)
                return null;
            type = type.Options.GetTypeInfo(next);
        }
        return (type, property);
    }

    private static string Allowed(JsonTypeInfo info, JsonPropertyInfo? property)
    {
        Type type = Nullable.GetUnderlyingType(info.Type) ?? info.Type;
        return Type.GetTypeCode(type) switch
        {
            _ when type.IsEnum => string.Join(", ", Enum.GetNames(type).Select(JsonNamingPolicy.KebabCaseLower.ConvertName)),
            _ when property?.CustomConverter is NumberOrWordConverter => "a word or a whole number",
            TypeCode.Boolean => "true, false",
            TypeCode.Int32 or TypeCode.UInt32 => "a whole number",
            TypeCode.Double => "a number",
            _ when info.Kind == JsonTypeInfoKind.Enumerable => "a list",
            _ when info.Kind == JsonTypeInfoKind.Object => "an object",
            _ => "text",
        };
    }
}
