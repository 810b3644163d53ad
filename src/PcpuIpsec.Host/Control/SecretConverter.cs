using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PcpuIpsec.Host.Control;

/// <summary>Takes a key from JSON without a string in between.</summary>
/// <param name="reveal">Write the key itself: only for handing a configuration to a child's standard input. Else <c>[redacted]</c> is written.</param>
internal sealed class SecretConverter(bool reveal) : JsonConverter<Secret>
{
    public override Secret Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.String)
            throw new JsonException("A key is a string.");
        int length = reader.HasValueSequence ? checked((int)reader.ValueSequence.Length) : reader.ValueSpan.Length;
        byte[] bytes = GC.AllocateUninitializedArray<byte>(length, pinned: true);
        try
        {
            return Secret.CopyOf(bytes.AsSpan(0, reader.CopyString(bytes)));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    public override void Write(Utf8JsonWriter writer, Secret value, JsonSerializerOptions options)
    {
        if (reveal)
            writer.WriteStringValue(value.Span);
        else
            writer.WriteStringValue(value.ToString());
    }
}
