using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Telemetry of a real daemon at a collector.</summary>
[Collection("namespaces")]
public sealed class OtlpExportTests
{
    [NamespaceFact("ping", "curl")]
    public async Task A_collector_that_the_environment_names_gets_metrics_and_traces()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using OtlpCollector collector = await OtlpCollector.StartAsync(network.West.Namespace);
        var environment = new Dictionary<string, string>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Endpoint,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "200",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
        };
        await using TestDaemon west = await TestDaemon.StartAsync(network.West, environment), east = await TestDaemon.StartAsync(network.East);
        await east.Client.CreateTunnelAsync(DaemonTests.Definition(network.East, network.West));
        await west.Client.CreateTunnelAsync(DaemonTests.Definition(network.West, network.East));
        await west.Client.StartTunnelAsync("lab", allChildSas: true);
        await DaemonTests.AssertPingAsync(network);

        await TestDaemon.UntilAsync(() => Task.FromResult(collector.Metrics.GetValueOrDefault("pcpu_ipsec.child_sa.packets") >= 6 && collector.Spans.Contains("IKE_AUTH")));

        Assert.Equal(1, collector.Metrics["pcpu_ipsec.tunnel.up"]);
        Assert.Equal(1, collector.Metrics["pcpu_ipsec.ike_sa.setup"]);
        Assert.InRange(collector.Metrics["pcpu_ipsec.ike_sa.setup.sum"], 0.0001, 60);
        Assert.True(collector.Metrics["pcpu_ipsec.child_sa.setup"] >= 1);
        Assert.True(collector.Metrics["pcpu_ipsec.exchange"] >= 3);
        Assert.True(collector.Metrics["pcpu_ipsec.child_sa.bytes"] > 0);
        Assert.True(collector.Metrics["dotnet.process.memory.working_set"] > 0);
        Assert.Contains("IKE SA set-up", collector.Spans);
        Assert.Contains("OpenTelemetry.dll", west.LoadedFiles());
        // One that is told of no collector has nothing of it in memory.
        Assert.DoesNotContain("OpenTelemetry", east.LoadedFiles());
        string metrics = await west.Http("metrics");
        Assert.Contains("pcpu_ipsec_ike_sa_setup_seconds_count{tunnel=\"lab\"} 1\n", metrics);
    }
}
