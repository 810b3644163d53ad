namespace PcpuIpsec.Measurement;

/// <summary>What <c>pcpu-ipsec lab</c> writes to results.json; docs/results.md describes every field.</summary>
internal sealed record LabResults
{
    /// <summary>Raised whenever a field changes its meaning or goes away.</summary>
    public const int CurrentSchemaVersion = 1;

    public int SchemaVersion { get; init; } = CurrentSchemaVersion;
    public required string Version { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public required double DurationSeconds { get; init; }
    public required LabOptionsResult Options { get; init; }
    public required HostResult Host { get; init; }
    public required DataPlaneResult DataPlane { get; init; }
    public required SetUpResult SetUp { get; init; }
    public required IReadOnlyList<RunResult> Runs { get; init; }

    /// <summary>Null where there is only one CPU to be on.</summary>
    public required MovedSenderResult? MovedSender { get; init; }
    public required IReadOnlyList<CheckResult> Checks { get; init; }
}

/// <summary>The options as given, defaults filled in.</summary>
internal sealed record LabOptionsResult(int Cpus, string DataPlane, string Mode, bool Encapsulation, string Protocol, int Seconds, int Repeat, string IkeSuite, string EspSuite, int ReplayWindow);

/// <summary>The machine, which is both gateways and both hosts behind them.</summary>
internal sealed record HostResult(string Kernel, string Architecture, string CpuModel, string OnlineCpus, long MemoryBytes, IReadOnlyDictionary<string, string> Tools, IReadOnlyDictionary<string, string> Settings);

internal sealed record DataPlaneResult(string Name, string Reason);

/// <summary>How the tunnel with per-CPU SAs came up under a ping flood from every CPU.</summary>
internal sealed record SetUpResult(double FallbackMilliseconds, double AllChildSasMilliseconds, PingFloodResult Ping, GatewayPair<IReadOnlyList<ChildSaResult>> ChildSas);

/// <summary>The flood: what was sent and lost from the moment the fallback was up at both gateways.</summary>
internal sealed record PingFloodResult(int Senders, double IntervalMilliseconds, long SentBeforeFallback, long SentSinceFallback, long LostSinceFallback);

/// <summary>The same thing at both gateways.</summary>
internal sealed record GatewayPair<T>(T West, T East);

/// <summary>Which way the traffic of a run takes.</summary>
internal enum RunKind
{
    /// <summary>Through no gateway's hands: the same path without IPsec.</summary>
    Plaintext,

    /// <summary>RFC 9611 off: one Child SA for everything.</summary>
    OneSa,

    /// <summary>A fallback and one Child SA a CPU.</summary>
    PerCpu,
}

/// <summary>One configuration, measured once or several times.</summary>
internal sealed record RunResult
{
    public required string Name { get; init; }
    public required RunKind Kind { get; init; }
    public required int Flows { get; init; }

    /// <summary>Mb/s of all flows together, one value a repetition.</summary>
    public required IReadOnlyList<double> Values { get; init; }
    public required SampleStatistics Statistics { get; init; }

    /// <summary>Against the one-SA run with as many flows; null for that one itself and for plaintext.</summary>
    public required double? RatioToOneSa { get; init; }

    /// <summary>Against the plaintext run with as many flows; null for that one itself.</summary>
    public required double? RatioToPlaintext { get; init; }

    /// <summary>UDP: datagrams that the receivers missed; TCP: segments sent again.</summary>
    public required long LostPackets { get; init; }

    /// <summary>Packets that the anti-replay windows of both gateways refused.</summary>
    public required long ReplayDrops { get; init; }

    /// <summary>CPU time of the whole machine (generators too) for 1024 bytes that arrived.</summary>
    public required double CpuMicrosecondsPerKilobyte { get; init; }
    public required IReadOnlyList<RepetitionResult> Repetitions { get; init; }

    /// <summary>What each Child SA carried in this run; null for plaintext.</summary>
    public required GatewayPair<IReadOnlyList<ChildSaResult>>? ChildSas { get; init; }

    /// <summary>Drops of the data planes in this run by name; null for plaintext.</summary>
    public required GatewayPair<IReadOnlyDictionary<string, long>>? Drops { get; init; }
}

/// <summary>One repetition of a run.</summary>
internal sealed record RepetitionResult(double MegabitsPerSecond, IReadOnlyList<FlowResult> Flows, IReadOnlyList<CpuTimeResult> CpuTimes);

/// <summary>One iperf3.</summary>
/// <param name="Cpu">The CPU that its sender is pinned to.</param>
/// <param name="ServerCpu">The CPU that its receiver is pinned to: the one that the far gateway serves the flow's Child SA on.</param>
/// <param name="Report">What iperf3 says.</param>
/// <param name="OwnSaShare">
/// Of the flow's packets as west sent them, the share on the Child SA of the flow's CPU; null without per-CPU SAs.
/// </param>
internal sealed record FlowResult(int Cpu, int ServerCpu, IperfReport Report, double? OwnSaShare);

/// <summary>Milliseconds that a CPU spent during a repetition.</summary>
internal sealed record CpuTimeResult(int Cpu, long User, long System, long Irq, long SoftIrq, long Idle, long Steal);

/// <summary>One Child SA at one gateway.</summary>
internal sealed record ChildSaResult
{
    public required int Number { get; init; }

    /// <summary>The CPU whose packets go out through it; null for the fallback and for a surplus one.</summary>
    public required int? Cpu { get; init; }
    public required bool IsFallback { get; init; }
    public required SaResult Outbound { get; init; }
    public required SaResult Inbound { get; init; }
    public required long ReplayDrops { get; init; }
    public required long IntegrityDrops { get; init; }
    public required long OtherDrops { get; init; }
}

/// <summary>One direction of a Child SA; the SPI as <c>ip xfrm</c> prints it.</summary>
internal sealed record SaResult(string Spi, long Packets, long Bytes);

/// <summary>A UDP flow whose sender was moved to another CPU in mid-flow.</summary>
/// <param name="FromCpu">Where its sender began.</param>
/// <param name="ToCpu">Where it was moved to.</param>
/// <param name="Report">What iperf3 says; its addresses and ports are the same before and after.</param>
/// <param name="BytesBefore">What west sent before the move, by Child SA.</param>
/// <param name="BytesAfter">What west sent after the move, by Child SA.</param>
/// <param name="ShareOnNewSa">Of the bytes after the move, the share on the new CPU's Child SA.</param>
internal sealed record MovedSenderResult(int FromCpu, int ToCpu, IperfReport Report, IReadOnlyList<SaBytes> BytesBefore, IReadOnlyList<SaBytes> BytesAfter, double ShareOnNewSa);

/// <summary>Bytes that one outbound SA carried.</summary>
internal sealed record SaBytes(string Spi, int? Cpu, bool IsFallback, long Bytes);

/// <summary>Something that must hold for the lab to have succeeded.</summary>
internal sealed record CheckResult(string Name, bool Passed, string Detail);
