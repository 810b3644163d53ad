using System.Runtime.CompilerServices;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary>
/// Metrics and traces to an OpenTelemetry collector by OTLP, as OpenTelemetry's own variables of the environment say. Where they
/// name no collector, OpenTelemetry is not even loaded.
/// </summary>
internal sealed class OtlpExport : IDisposable
{
    private const string ServiceName = "pcpu-ipsec";

    private readonly List<IDisposable> _providers = [];

    private OtlpExport()
    {
    }

    /// <summary>What exports until disposed, the last values then; null where no collector is named.</summary>
    public static OtlpExport? OfEnvironment()
    {
        bool off = string.Equals(Of("OTEL_SDK_DISABLED"), "true", StringComparison.OrdinalIgnoreCase);
        bool metrics = !off && IsAsked("METRICS"), traces = !off && IsAsked("TRACES");
        if (!metrics && !traces)
            return null;
        var export = new OtlpExport();
        if (metrics)
            export.ExportMetrics();
        if (traces)
            export.ExportTraces();
        return export;
    }

    public void Dispose() => _providers.ForEach(p => p.Dispose());

    private static bool IsAsked(string signal)
        => (Of("OTEL_EXPORTER_OTLP_ENDPOINT") ?? Of($"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")) is not null && (Of($"OTEL_{signal}_EXPORTER") ?? "otlp") == "otlp";

    // As the specification has it, an empty one is none.
    private static string? Of(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    // Apart, since what a method names is loaded before it runs.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ExportMetrics() => _providers.Add(
        Sdk.CreateMeterProviderBuilder().ConfigureResource(Describe).AddMeter(GatewayMeter.Name, "System.Runtime").AddOtlpExporter().Build());

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ExportTraces() => _providers.Add(
        Sdk.CreateTracerProviderBuilder().ConfigureResource(Describe).AddSource(GatewayMeter.Name).AddOtlpExporter().Build());

    private static void Describe(ResourceBuilder resource)
    {
        string[] named = (Of("OTEL_RESOURCE_ATTRIBUTES") ?? "").Split(',', StringSplitOptions.TrimEntries);
        // Who is named by the environment is called so.
        if (Of("OTEL_SERVICE_NAME") is null && !named.Any(a => a.StartsWith("service.name=", StringComparison.Ordinal)))
            resource.AddService(ServiceName, serviceVersion: DaemonFacts.Version, autoGenerateServiceInstanceId: false);
    }
}
