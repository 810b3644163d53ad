using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PcpuIpsec.Client;

/// <summary>A word such as "auto", or a number that may be written without quotes.</summary>
internal sealed class NumberOrWordConverter : JsonConverter<string?>
{
    public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.Number when reader.TryGetInt32(out int number) => number.ToString(CultureInfo.InvariantCulture),
        JsonTokenType.String => reader.GetString(),
        _ => throw new JsonException(),
    };

    public override void Write(Utf8JsonWriter writer, string? value, JsonSerializerOptions options)
    {
        if (int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            writer.WriteNumberValue(number);
        else
            writer.WriteStringValue(value);
    }
}
