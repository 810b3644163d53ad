using System.Globalization;
using System.Text;
using PcpuIpsec.Gateway;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Metrics in Prometheus' text format, version 0.0.4.</summary>
internal sealed class MetricsText
{
    public const string ContentType = "text/plain; version=0.0.4";

    private readonly StringBuilder _text = new();

    public static async Task<string> WriteAsync(TunnelKeeper keeper, DaemonFacts facts, CancellationToken cancellationToken)
    {
        GatewayStatus status = await keeper.Gateway.GetStatusAsync(cancellationToken);
        return Write(status, facts, XfrmStatistics.Read() ?? new Dictionary<string, long>());
    }

    internal static string Write(GatewayStatus status, DaemonFacts facts, IReadOnlyDictionary<string, long> xfrm)
    {
        var metrics = new MetricsText();
        metrics.Begin("pcpu_ipsec_info", "gauge", "The daemon and its data plane");
        metrics.Add("pcpu_ipsec_info", 1, ("version", DaemonFacts.Version), ("data_plane", status.DataPlane));
        metrics.Begin("process_start_time_seconds", "gauge", "When the daemon started, in seconds since 1970");
        metrics.Add("process_start_time_seconds", facts.Started.ToUnixTimeSeconds());
        metrics.Begin("process_resident_memory_bytes", "gauge", "Memory in use");
        metrics.Add("process_resident_memory_bytes", Environment.WorkingSet);

        metrics.Begin("pcpu_ipsec_tunnel_up", "gauge", "1 where the tunnel's IKE SA is up");
        foreach (TunnelStatus tunnel in status.Tunnels)
            metrics.Add("pcpu_ipsec_tunnel_up", tunnel.State == TunnelState.Up ? 1 : 0, ("tunnel", tunnel.Name));
        metrics.AddChildSas("pcpu_ipsec_child_sa_bytes_total", "Bytes through the SAs in use; begins anew when one is rekeyed", status, c => c.BytesIn, c => c.BytesOut);
        metrics.AddChildSas("pcpu_ipsec_child_sa_packets_total", "Packets through the SAs in use; begins anew when one is rekeyed", status, c => c.PacketsIn, c => c.PacketsOut);
        metrics.Begin("pcpu_ipsec_child_sa_drops_total", "counter", "Packets that the SAs in use dropped");
        foreach ((TunnelStatus tunnel, ChildSaStatus child) in ChildSas(status))
        {
            foreach ((string reason, long count) in (ReadOnlySpan<(string, long)>)[("replay", child.ReplayDrops), ("integrity", child.IntegrityDrops), ("other", child.OtherDrops)])
                metrics.Add("pcpu_ipsec_child_sa_drops_total", count, [.. Labels(tunnel, child), ("reason", reason)]);
        }

        metrics.AddCounters("pcpu_ipsec_drops_total", "Packets that the data plane dropped, by reason", "reason", status.DropCounters);
        metrics.AddCounters("pcpu_ipsec_ike_total", "What IKE and its sockets counted", "counter", status.IkeCounters);
        metrics.AddCounters("pcpu_ipsec_xfrm_errors_total", "The kernel's error counters in this namespace (/proc/net/xfrm_stat)", "counter", xfrm);
        return metrics._text.ToString();
    }

    private void AddChildSas(string name, string help, GatewayStatus status, Func<ChildSaStatus, long> inbound, Func<ChildSaStatus, long> outbound)
    {
        Begin(name, "counter", help);
        foreach ((TunnelStatus tunnel, ChildSaStatus child) in ChildSas(status))
        {
            Add(name, inbound(child), [.. Labels(tunnel, child), ("direction", "in")]);
            Add(name, outbound(child), [.. Labels(tunnel, child), ("direction", "out")]);
        }
    }

    private void AddCounters(string name, string help, string label, IReadOnlyDictionary<string, long> counters)
    {
        Begin(name, "counter", help);
        foreach ((string counter, long value) in counters)
            Add(name, value, (label, counter));
    }

    private static IEnumerable<(TunnelStatus, ChildSaStatus)> ChildSas(GatewayStatus status) => status.Tunnels.SelectMany(t => t.ChildSas.Select(c => (t, c)));

    private static (string, string)[] Labels(TunnelStatus tunnel, ChildSaStatus child)
        => [("tunnel", tunnel.Name), ("number", child.Number.ToString(CultureInfo.InvariantCulture)), ("cpu", child.IsFallback ? "fallback" : child.Cpu?.ToString(CultureInfo.InvariantCulture) ?? "none")];

    private void Begin(string name, string type, string help) => _text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

    // No label needs escaping: tunnels' names and counters' are letters, digits and a few signs.
    private void Add(string name, long value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _text.Append(name);
        for (int i = 0; i < labels.Length; i++)
            _text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"").Append(labels[i].Value).Append('"');
        if (labels.Length > 0)
            _text.Append('}');
        _text.Append(' ').Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }
}
