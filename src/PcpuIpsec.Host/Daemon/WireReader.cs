using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

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
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption,
                $"The JSON has {Fault(e)} at {e.Path ?? "$"} (line {(e.LineNumber ?? 0) + 1}, byte {(e.BytePositionInLine ?? 0) + 1}).");
        }
    }

    private static string Fault(JsonException e) => e switch
    {
        { InnerException: JsonException } => "a fault of syntax",
        _ when e.Message.Contains("could not be mapped", StringComparison.Ordinal) => "a field that does not exist",
        _ when e.Message.Contains("missing required properties", StringComparison.Ordinal) => "a required field missing",
        _ => "a value that is not allowed",
    };
}
