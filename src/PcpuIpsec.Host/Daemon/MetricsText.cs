using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary>
/// What the gateway measures in Prometheus' text format, version 0.0.4. Instruments become metrics by OpenTelemetry's rules:
/// <c>pcpu_ipsec.ike_sa.setup</c> in seconds is <c>pcpu_ipsec_ike_sa_setup_seconds</c>.
/// </summary>
internal sealed class MetricsText : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4";

    private readonly MeterListener _listener = new();
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _collecting = new(1, 1);
    private readonly SortedDictionary<string, Metric> _metrics = new(StringComparer.Ordinal);

    public MetricsText()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter != Meter)
                return;
            var metric = new Metric(instrument);
            lock (_lock)
                _metrics.Add(metric.Name, metric);
            listener.EnableMeasurementEvents(instrument, metric);
        };
        _listener.SetMeasurementEventCallback<long>((_, value, tags, metric) => Take((Metric)metric!, value, tags));
        _listener.SetMeasurementEventCallback<double>((_, value, tags, metric) => Take((Metric)metric!, value, tags));
        _listener.Start();
    }

    /// <summary>The meter that is listened to, for the gateway.</summary>
    public Meter Meter { get; } = new(GatewayMeter.Name);

    /// <summary>Answers with the metrics, one at a time: of a thousand SAs they are megabytes.</summary>
    public async Task WriteAsync(HttpResponse response, TunnelKeeper keeper, DaemonFacts facts, CancellationToken cancellationToken)
    {
        // The instruments tell of this status, without waiting for it.
        GatewayStatus status = await keeper.Gateway.GetStatusAsync(cancellationToken);
        HashSet<string> tunnels = [.. status.Tunnels.Select(t => t.Name)];
        var text = new StringBuilder();
        Metric.Begin(text, "pcpu_ipsec_info", "gauge", "The daemon and its data plane");
        text.Append(CultureInfo.InvariantCulture, $"pcpu_ipsec_info{{version=\"{DaemonFacts.Version}\",data_plane=\"{status.DataPlane}\"}} 1\n");
        Metric.Begin(text, "process_start_time_seconds", "gauge", "When the daemon started, in seconds since 1970");
        text.Append(CultureInfo.InvariantCulture, $"process_start_time_seconds {facts.Started.ToUnixTimeSeconds()}\n");
        Metric.Begin(text, "process_resident_memory_bytes", "gauge", "Memory in use");
        text.Append(CultureInfo.InvariantCulture, $"process_resident_memory_bytes {Environment.WorkingSet}\n");
        await _collecting.WaitAsync(cancellationToken);
        try
        {
            lock (_lock)
            {
                foreach (Metric metric in _metrics.Values)
                    metric.BeginCollection(tunnels);
            }
            // Not under the lock: the gateway, which records, would wait for who waits for it.
            _listener.RecordObservableInstruments();
            response.ContentType = ContentType;
            foreach (string name in _metrics.Keys)
            {
                lock (_lock)
                    _metrics[name].WriteTo(text);
                foreach (ReadOnlyMemory<char> chunk in text.GetChunks())
                    Encoding.UTF8.GetBytes(chunk.Span, response.BodyWriter);
                // Not cleared: that would allocate all of it anew, in one piece.
                text = new StringBuilder();
                await response.BodyWriter.FlushAsync(cancellationToken);
            }
        }
        finally
        {
            _collecting.Release();
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        Meter.Dispose();
        _collecting.Dispose();
    }

    private void Take(Metric metric, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (_lock)
            metric.Take(value, tags);
    }

    /// <summary>One instrument and its series, by their labels in text.</summary>
    private sealed class Metric
    {
        private readonly string _type;
        private readonly string _help;
        private readonly IReadOnlyList<double>? _bounds;
        private readonly OrderedDictionary<string, Series> _series = new(StringComparer.Ordinal);

        public Metric(Instrument instrument)
        {
            _bounds = (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries;
            _type = _bounds is not null ? "histogram" : instrument is ObservableCounter<long> ? "counter" : "gauge";
            _help = instrument.Description!;
            Name = instrument.Name.Replace('.', '_') + (instrument.Unit == "s" ? "_seconds" : "") + (_type == "counter" ? "_total" : "");
        }

        public string Name { get; }

        public static void Begin(StringBuilder text, string name, string type, string help) => text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

        /// <summary>Forgets what is observed anew, and what was recorded of tunnels that are not there any more.</summary>
        public void BeginCollection(HashSet<string> tunnels)
        {
            foreach ((string labels, Series series) in _series.ToArray())
            {
                if (_bounds is null || !tunnels.Contains(series.Tunnel))
                    _series.Remove(labels);
            }
        }

        public void Take(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            // No label needs escaping: tunnels' names and counters' are letters, digits and a few signs.
            var labels = new StringBuilder();
            string tunnel = "";
            foreach ((string name, object? tag) in tags)
            {
                labels.Append(labels.Length == 0 ? "" : ",").Append(name).Append("=\"").Append(tag).Append('"');
                tunnel = name == "tunnel" ? (string)tag! : tunnel;
            }
            string key = labels.ToString();
            if (!_series.TryGetValue(key, out Series? series))
                _series.Add(key, series = new Series(tunnel, _bounds?.Count ?? 0));
            series.Count++;
            series.Sum = _bounds is null ? value : series.Sum + value;
            for (int i = 0; i < series.Buckets.Length; i++)
                series.Buckets[i] += value <= _bounds![i] ? 1 : 0;
        }

        public void WriteTo(StringBuilder text)
        {
            Begin(text, Name, _type, _help);
            foreach ((string labels, Series series) in _series)
            {
                if (_bounds is null)
                {
                    Write(text, "", labels, series.Sum);
                    continue;
                }
                for (int i = 0; i < _bounds.Count; i++)
                    Write(text, "_bucket", string.Create(CultureInfo.InvariantCulture, $"{labels},le=\"{_bounds[i]}\""), series.Buckets[i]);
                Write(text, "_bucket", $"{labels},le=\"+Inf\"", series.Count);
                Write(text, "_sum", labels, series.Sum);
                Write(text, "_count", labels, series.Count);
            }
        }

        private void Write(StringBuilder text, string suffix, string labels, double value)
            => text.Append(CultureInfo.InvariantCulture, $"{Name}{suffix}{{{labels}}} {value}\n");

        private sealed record Series(string Tunnel, int BucketCount)
        {
            public long[] Buckets { get; } = new long[BucketCount];
            public long Count { get; set; }
            public double Sum { get; set; }
        }
    }
}
