using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace PcpuIpsec.Client;

/// <summary>A definition as the body of a request, in memory that is zeroed: it may hold a key.</summary>
internal sealed class SecretContent : HttpContent
{
    // Of a size that no definition outgrows: growing leaves a copy behind.
    private readonly ArrayBufferWriter<byte> _json = new(1 << 16);

    /// <exception cref="DaemonException">The definition has a value that JSON has not.</exception>
    public SecretContent(TunnelDefinition definition)
    {
        CheckNumbers(definition);
        try
        {
            using var writer = new Utf8JsonWriter(_json);
            JsonSerializer.Serialize(writer, definition, WireJson.Default.TunnelDefinition);
        }
        catch (JsonException e)
        {
            // An enum's number that is no word.
            _json.Clear();
            throw new DaemonException(DaemonException.InvalidOption, $"The definition of {definition.Name} cannot be told the daemon: {e.Message}", e);
        }
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

    private static void CheckNumbers(TunnelDefinition definition)
    {
        Check(definition.ChildRekeySeconds, "childRekeySeconds");
        Check(definition.IkeRekeySeconds, "ikeRekeySeconds");
        Check(definition.LivenessSeconds, "livenessSeconds");
        Check(definition.RetransmitGiveUpSeconds, "retransmitGiveUpSeconds");
        Check(definition.PerCpu?.IdleSeconds, "perCpu.idleSeconds");

        static void Check(double? seconds, string field)
        {
            if (seconds is { } given && !double.IsFinite(given))
                throw new DaemonException(DaemonException.InvalidOption, string.Create(CultureInfo.InvariantCulture, $"{field}: '{given}' is not allowed; allowed is a number of seconds"));
        }
    }
}
