using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;

namespace PcpuIpsec.Client;

/// <summary>A pre-shared key on its way to the daemon: text of UTF-8 that prints as <c>[redacted]</c> and is zeroed when disposed.</summary>
[JsonConverter(typeof(Converter))]
public sealed class PreSharedKey : IDisposable
{
    private byte[]? _bytes;

    private PreSharedKey(byte[] bytes) => _bytes = bytes;

    /// <summary>The bytes.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    internal ReadOnlySpan<byte> Span => _bytes ?? throw new ObjectDisposedException(nameof(PreSharedKey));

    /// <summary>Copies a key; the caller still owns, and zeroes, its own copy.</summary>
    /// <param name="text">The key as UTF-8, not empty. A key of other bytes belongs into a file: <see cref="TunnelDefinition.PreSharedKeyFile"/>.</param>
    public static PreSharedKey CopyOf(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty || !Utf8.IsValid(text))
            throw new ArgumentException($"The pre-shared key {(text.IsEmpty ? "is empty" : "is no text (UTF-8)")}; allowed is text, or a file with any bytes.", nameof(text));
        PreSharedKey key = Create(text.Length, out Span<byte> bytes);
        text.CopyTo(bytes);
        return key;
    }

    /// <summary>Zeroes the bytes.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _bytes, null) is { } bytes)
            CryptographicOperations.ZeroMemory(bytes);
    }

    /// <summary>Always <c>[redacted]</c>.</summary>
    public override string ToString() => "[redacted]";

    private static PreSharedKey Create(int length, out Span<byte> bytes)
    {
        // Pinned: the collector never moves it and so never leaves a copy behind.
        byte[] memory = GC.AllocateArray<byte>(length, pinned: true);
        bytes = memory;
        return new PreSharedKey(memory);
    }

    internal sealed class Converter : JsonConverter<PreSharedKey>
    {
        public override PreSharedKey Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType != JsonTokenType.String)
                throw new JsonException();
            int most = reader.HasValueSequence ? checked((int)reader.ValueSequence.Length) : reader.ValueSpan.Length;
            byte[] bytes = GC.AllocateUninitializedArray<byte>(most, pinned: true);
            try
            {
                int length = reader.CopyString(bytes);
                return length > 0 ? CopyOf(bytes.AsSpan(0, length)) : throw new JsonException();
            }
            finally
            {
                CryptographicOperations.ZeroMemory(bytes);
            }
        }

        public override void Write(Utf8JsonWriter writer, PreSharedKey value, JsonSerializerOptions options) => writer.WriteStringValue(value.Span);
    }
}
