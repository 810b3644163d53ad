using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace PcpuIpsec.Client;

/// <summary>A definition as the body of a request, in memory that is zeroed: it may hold a key.</summary>
internal sealed class SecretContent : HttpContent
{
    // Of a size that no definition outgrows: growing leaves a copy behind.
    private readonly ArrayBufferWriter<byte> _json = new(1 << 16);

    public SecretContent(TunnelDefinition definition)
    {
        using var writer = new Utf8JsonWriter(_json);
        JsonSerializer.Serialize(writer, definition, WireJson.Default.TunnelDefinition);
        Headers.ContentType = new MediaTypeHeaderValue("application/json");
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => stream.WriteAsync(_json.WrittenMemory).AsTask();

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        => stream.WriteAsync(_json.WrittenMemory, cancellationToken).AsTask();

    protected override bool TryComputeLength(out long length)
    {
        length = _json.WrittenCount;
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        // Clears what was written.
        if (disposing)
            _json.Clear();
        base.Dispose(disposing);
    }
}
