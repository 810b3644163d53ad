using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Tests.Measurement;

/// <summary>Results as a lab with two CPUs makes them.</summary>
internal static class SampleResults
{
    public static LabResults Make(int repeat = 1, params (RunKind Kind, int Flows, double Megabits)[] runs)
    {
        if (runs.Length == 0)
            runs = [(RunKind.Plaintext, 1, 9000), (RunKind.Plaintext, 2, 17_000), (RunKind.OneSa, 1, 1500), (RunKind.OneSa, 2, 1600), (RunKind.PerCpu, 1, 1480), (RunKind.PerCpu, 2, 2900)];

        var results = new List<RunResult>();
        foreach ((RunKind kind, int flows, double megabits) in runs)
            results.Add(RunSummary.Of(kind, flows, [.. Enumerable.Range(0, repeat).Select(i => MakeRepetition(kind, flows, megabits + (i * 10)))], results));
        GatewayPair<IReadOnlyList<ChildSaResult>> childSas = ChildSas(0, 1000, 2000);
        SetUpResult setUp = new(42.5, 61.25, new PingFloodResult(2, 5, 80, 400, 0), childSas);
        MovedSenderResult moved = new(0, 1, MakeReport(TrafficProtocol.Udp, 50), [new("0xc0000001", 0, false, 900_000)], [new("0xc0000002", 1, false, 900_000)], 1);
        return new LabResults
        {
            Version = "0.1.0",
            StartedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
            DurationSeconds = 33.25,
            Options = new(2, "auto", "tunnel", false, "tcp", 3, repeat, "aes128gcm16-sha256-x25519", "aes128gcm16", 1024),
            Host = new("6.18.0", "x64", "A CPU <fast> & \"quoted\"", "0-1", 1L << 33, new Dictionary<string, string> { ["iperf3"] = "iperf 3.12" }, new Dictionary<string, string>()),
            DataPlane = new("embedded", "this version has no other"),
            SetUp = setUp,
            Runs = results,
            MovedSender = moved,
            Checks = LabChecks.Of([0, 1], setUp, results, moved),
        };
    }

    public static Repetition MakeRepetition(RunKind kind, int flows, double megabits) => new(
        [.. Enumerable.Range(0, flows).Select(cpu => new FlowResult(cpu, 1 - cpu, MakeReport(TrafficProtocol.Tcp, megabits / flows), kind == RunKind.PerCpu ? 0.999 : null))],
        [new CpuTimeResult(0, 100, 200, 0, 300, 400, 0), new CpuTimeResult(1, 0, 0, 0, 400, 600, 0)],
        kind == RunKind.Plaintext ? null : ChildSas(10, 100_000, 200_000),
        kind == RunKind.Plaintext ? null : new(new Dictionary<string, long> { ["XfrmInStateSeqError"] = 3 }, new Dictionary<string, long>()));

    public static IperfReport MakeReport(TrafficProtocol protocol, double megabits) => new()
    {
        Protocol = protocol,
        Source = "10.1.0.2",
        SourcePort = 40000,
        Destination = "10.2.0.2",
        DestinationPort = 5201,
        Seconds = 1,
        Bytes = (long)(megabits * 1e6 / 8),
        IntervalsMegabitsPerSecond = [megabits],
        Retransmits = protocol == TrafficProtocol.Tcp ? 7 : null,
        PacketsSent = protocol == TrafficProtocol.Udp ? 1000 : null,
        PacketsLost = protocol == TrafficProtocol.Udp ? 5 : null,
    };

    public static ChildSaResult ChildSa(int number, int? cpu, bool isFallback, long bytes, long replayDrops = 0) => new()
    {
        Number = number,
        Cpu = cpu,
        IsFallback = isFallback,
        Outbound = new($"0xc000000{number}", bytes / 1000, bytes),
        Inbound = new($"0xd000000{number}", bytes / 2000, bytes / 2),
        ReplayDrops = replayDrops,
        IntegrityDrops = 0,
        OtherDrops = 0,
    };

    private static GatewayPair<IReadOnlyList<ChildSaResult>> ChildSas(long fallback, long first, long second)
    {
        IReadOnlyList<ChildSaResult> all = [ChildSa(1, null, true, fallback), ChildSa(2, 0, false, first, replayDrops: 1), ChildSa(3, 1, false, second)];
        return new(all, all);
    }
}
