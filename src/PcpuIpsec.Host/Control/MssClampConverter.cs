using System.Text.Json;
using System.Text.Json.Serialization;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Control;

/// <summary>"auto", "off" or a number of bytes.</summary>
internal sealed class MssClampConverter : JsonConverter<MssClamp>
{
    private const string Auto = "auto", Off = "off";

    public override MssClamp Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.Number when reader.TryGetInt32(out int bytes) => bytes,
        JsonTokenType.String when reader.ValueTextEquals(Auto) => MssClamp.Auto,
        JsonTokenType.String when reader.ValueTextEquals(Off) => MssClamp.Off,
        _ => throw new JsonException(),
    };

    public override void Write(Utf8JsonWriter writer, MssClamp value, JsonSerializerOptions options)
    {
        if (value.Bytes is { } bytes)
            writer.WriteNumberValue(bytes);
        else
            writer.WriteStringValue(value.ToString());
    }
}
