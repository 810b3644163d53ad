using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using PcpuIpsec.Ike;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Gateway;

/// <summary>
/// What a gateway measures, as instruments of System.Diagnostics.Metrics: the one source of what is exported in any format.
/// Handshakes are recorded as they end; all else is read from the gateway's status when somebody collects.
/// </summary>
internal sealed class GatewayMeter : IDisposable
{
    /// <summary>The meter's name, and that of the source of traces.</summary>
    public const string Name = "PcpuIpsec";

    // One collection reads all instruments: they see one status.
    private static readonly TimeSpan _statusAgeAtMost = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(5);

    // From a peer on the same network to one that answers at the last retransmission.
    private static readonly InstrumentAdvice<double> _buckets = new() { HistogramBucketBoundaries = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5, 30] };

    private static readonly ActivitySource _traces = new(Name);

    private readonly Meter _meter;
    private readonly Func<CancellationToken, Task<GatewayStatus>> _readStatus;
    private readonly Histogram<double> _exchanges;
    private readonly Dictionary<Handshake, (string Name, Histogram<double> Histogram)> _handshakes;
    private volatile Reading? _latest;

    /// <param name="meter">Where the instruments are made; disposed with this.</param>
    /// <param name="readStatus">Reads the gateway.</param>
    public GatewayMeter(Meter meter, Func<CancellationToken, Task<GatewayStatus>> readStatus)
    {
        (_meter, _readStatus) = (meter, readStatus);
        meter.CreateObservableGauge("pcpu_ipsec.tunnel.up", () => Status().Tunnels.Select(t => new Measurement<long>(t.State == TunnelState.Up ? 1 : 0, Tag("tunnel", t.Name))), null, "1 where the tunnel's IKE SA is up");
        _exchanges = CreateHistogram("pcpu_ipsec.exchange", "From our request to the peer's response");
        _handshakes = new()
        {
            [Handshake.IkeSaSetup] = ("IKE SA set-up", CreateHistogram("pcpu_ipsec.ike_sa.setup", "From IKE_SA_INIT, sent or received, to the authenticated IKE SA")),
            [Handshake.IkeSaRekey] = ("IKE SA rekey", CreateHistogram("pcpu_ipsec.ike_sa.rekey", "Our rekeyings of IKE SAs, to when the new one is in use")),
            [Handshake.ChildSaSetup] = ("Child SA set-up", CreateHistogram("pcpu_ipsec.child_sa.setup", "Our CREATE_CHILD_SA for new Child SAs, to when they are installed")),
            [Handshake.ChildSaRekey] = ("Child SA rekey", CreateHistogram("pcpu_ipsec.child_sa.rekey", "Our rekeyings of Child SAs, to when the new one is in use")),
        };
        CreateCounter("pcpu_ipsec.child_sa.bytes", "By", "Bytes through the SAs in use; begins anew when one is rekeyed", () => OfChildSas(c => [("direction", "in", c.BytesIn), ("direction", "out", c.BytesOut)]));
        CreateCounter("pcpu_ipsec.child_sa.packets", "{packet}", "Packets through the SAs in use; begins anew when one is rekeyed", () => OfChildSas(c => [("direction", "in", c.PacketsIn), ("direction", "out", c.PacketsOut)]));
        CreateCounter("pcpu_ipsec.child_sa.drops", "{packet}", "Packets that the SAs in use dropped", () => OfChildSas(c => [("reason", "replay", c.ReplayDrops), ("reason", "integrity", c.IntegrityDrops), ("reason", "other", c.OtherDrops)]));
        CreateCounter("pcpu_ipsec.drops", "{packet}", "Packets that the data plane dropped, by reason", () => Of(Status().DropCounters, "reason"));
        CreateCounter("pcpu_ipsec.ike", null, "What IKE and its sockets counted", () => Of(Status().IkeCounters, "counter"));
        CreateCounter("pcpu_ipsec.xfrm_errors", "{packet}", "The kernel's error counters in this namespace (/proc/net/xfrm_stat)", () => Of(XfrmStatistics.Read() ?? new Dictionary<string, long>(), "counter"));
    }

    public void Record(ExchangeAnswered exchange)
    {
        KeyValuePair<string, object?> tunnel = Tag("tunnel", exchange.Connection), kind = Tag("exchange", exchange.Exchange.ToString());
        _exchanges.Record(exchange.RoundTrip.TotalSeconds, tunnel, kind);
        Trace(exchange.Exchange.ToString(), ActivityKind.Client, exchange.RoundTrip, tunnel);
    }

    public void Record(HandshakeDone handshake)
    {
        (string name, Histogram<double> histogram) = _handshakes[handshake.Handshake];
        KeyValuePair<string, object?> tunnel = Tag("tunnel", handshake.Connection);
        histogram.Record(handshake.Duration.TotalSeconds, tunnel);
        Trace(name, ActivityKind.Internal, handshake.Duration, tunnel);
    }

    /// <summary>Takes a status that was read anyway.</summary>
    public void Take(GatewayStatus status) => _latest = new Reading(status, Stopwatch.GetTimestamp());

    public void Dispose() => _meter.Dispose();

    // What is over is told with its times; nothing is made where nobody listens.
    private static void Trace(string name, ActivityKind kind, TimeSpan duration, KeyValuePair<string, object?> tunnel)
    {
        if (!_traces.HasListeners())
            return;
        DateTimeOffset end = DateTimeOffset.UtcNow;
        using Activity? activity = _traces.StartActivity(name, kind, default(ActivityContext), [tunnel], links: null, end - duration);
        activity?.SetEndTime(end.UtcDateTime);
    }

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);

    private static IEnumerable<Measurement<long>> Of(IReadOnlyDictionary<string, long> counters, string tag) => counters.Select(c => new Measurement<long>(c.Value, Tag(tag, c.Key)));

    private Histogram<double> CreateHistogram(string name, string description) => _meter.CreateHistogram(name, "s", description, tags: null, _buckets);

    private void CreateCounter(string name, string? unit, string description, Func<IEnumerable<Measurement<long>>> observe) => _meter.CreateObservableCounter(name, observe, unit, description);

    private IEnumerable<Measurement<long>> OfChildSas(Func<ChildSaStatus, (string Tag, string Value, long Count)[]> read)
        => from tunnel in Status().Tunnels
           from child in tunnel.ChildSas
           let cpu = child.IsFallback ? "fallback" : child.Cpu?.ToString(CultureInfo.InvariantCulture) ?? "none"
           from part in read(child)
           select new Measurement<long>(part.Count, Tag("tunnel", tunnel.Name), Tag("number", child.Number.ToString(CultureInfo.InvariantCulture)), Tag("cpu", cpu), Tag(part.Tag, part.Value));

    // Collectors ask on threads of their own, and cannot wait otherwise.
    private GatewayStatus Status()
    {
        if (_latest is { } latest && Stopwatch.GetElapsedTime(latest.ReadAt) < _statusAgeAtMost)
            return latest.Status;
        using var limit = new CancellationTokenSource(_patience);
        return Task.Run(() => _readStatus(limit.Token)).GetAwaiter().GetResult();
    }

    private sealed record Reading(GatewayStatus Status, long ReadAt);
}
