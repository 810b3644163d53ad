using System.Net;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Host.Control;

/// <summary>A line on the standard input of <c>pcpu-ipsec gateway</c>.</summary>
internal sealed record ControlCommand
{
    /// <summary>Comes back in the reply.</summary>
    public long Id { get; init; }

    /// <summary>One of <see cref="ControlChannel.Commands"/>.</summary>
    public required string Command { get; init; }
    public string? Tunnel { get; init; }

    /// <summary>The Child SA's number, for commands on one.</summary>
    public int? Number { get; init; }
    public int? Cpu { get; init; }
}

/// <summary>A line on the standard output of <c>pcpu-ipsec gateway</c>: a reply to a command, or something that happened.</summary>
internal sealed record ControlEvent
{
    public required string Event { get; init; }
    public required DateTimeOffset Time { get; init; }

    /// <summary>The command's, in a reply.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Id { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Tunnel { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Message { get; init; }

    /// <summary>The kind of failure, where something failed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PcpuIpsecError? Error { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChildSaStatus? ChildSa { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TunnelStatus? TunnelStatus { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public GatewayStatus? Status { get; init; }
}

/// <summary>How both ends of the channel write and read.</summary>
internal static class ControlJson
{
    public static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        // For eyes and pipes, not for HTML: quotes stay quotes.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        // A status has its nulls: they are required when it is read.
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower), new SecretConverter(reveal: false), new EndPointConverter(), new SelectorConverter() },
    };

    private sealed class EndPointConverter : JsonConverter<IPEndPoint>
    {
        public override IPEndPoint Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => IPEndPoint.TryParse(reader.GetString() ?? "", out IPEndPoint? endPoint) ? endPoint : throw new JsonException("No address and port.");

        public override void Write(Utf8JsonWriter writer, IPEndPoint value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }

    private sealed class SelectorConverter : JsonConverter<TrafficSelector>
    {
        public override TrafficSelector Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => TrafficSelector.Parse(reader.GetString() ?? "");

        public override void Write(Utf8JsonWriter writer, TrafficSelector value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }
}
