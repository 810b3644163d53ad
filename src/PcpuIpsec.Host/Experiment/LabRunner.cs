using System.Diagnostics;
using System.Reflection;
using System.Security.Cryptography;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;
using PcpuIpsec.Lab;
using PcpuIpsec.Measurement;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Host.Experiment;

/// <summary>The lab from its namespaces to its results: plaintext, one SA, one SA per CPU, and a sender that moves.</summary>
internal sealed class LabRunner(LabSettings settings, LabOutput output)
{
    private const string Tunnel = "lab";
    private const string IkeSuite = "aes128gcm16-sha256-x25519", EspSuite = "aes128gcm16";
    private const int ReplayWindow = 1024;

    // What a run costs beside its own seconds: iperf3 comes up and ends, counters are read.
    private const double Overhead = 0.5;
    private static readonly TimeSpan _pingInterval = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan _upTimeout = TimeSpan.FromSeconds(180);

    private readonly List<RunResult> _runs = [];

    /// <summary>Runs everything, shows the table and writes the files.</summary>
    /// <exception cref="PcpuIpsecException">It cannot run here, or a check failed.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        CheckHost();
        Directory.CreateDirectory(settings.OutputDirectory);
        LabResults results = await output.RunAsync(ExpectedSeconds(), () => MeasureAsync(cancellationToken));

        await File.WriteAllTextAsync(Path.Combine(settings.OutputDirectory, "results.json"), ResultsFile.Serialize(results), cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(settings.OutputDirectory, "chart.svg"), ThroughputChart.Draw(results), cancellationToken);
        LabReport.Write(output, results, settings.OutputDirectory);

        CheckResult[] failed = [.. results.Checks.Where(c => !c.Passed)];
        if (failed.Length > 0)
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{failed.Length} of {results.Checks.Count} checks failed: {string.Join("; ", failed.Select(c => $"{c.Name} ({c.Detail})"))}.");
    }

    private void CheckHost()
    {
        if (!Environment.IsPrivilegedProcess)
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "The lab makes network namespaces and needs root: start it through ./lab.sh, with sudo, or as root.");
        // Before anything is made: what is missing is one sentence and not a gateway that ended.
        if (settings.DataPlane == DataPlaneKind.Kernel)
            KernelSupport.Probe();
    }

    private double ExpectedSeconds()
    {
        int runs = 3 * settings.FlowCounts.Count * settings.Repeat;
        return (runs * (settings.Seconds + Overhead)) + (settings.Cpus.Count > 1 ? Math.Max(2, settings.Seconds) + Overhead : 0) + 10;
    }

    private async Task<LabResults> MeasureAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset started = DateTimeOffset.UtcNow;
        long startedAt = Stopwatch.GetTimestamp();
        await using LabNetwork network = await output.StepAsync("four hosts: sunset – west = east – sunrise", 1,
            () => LabNetwork.CreateAsync(new LabOptions { CleanOnSignal = false }, cancellationToken));
        HostResult host = await HostFacts.ReadAsync(network, cancellationToken);
        TrafficRun traffic = settings.Mode == IpsecMode.Tunnel
            ? new(network.Sunset, network.Sunrise, settings.Protocol, settings.Seconds)
            : new(network.West, network.East, settings.Protocol, settings.Seconds);
        using PreSharedKey key = NewKey();

        network.AllowPlaintext();
        await RunsAsync(RunKind.Plaintext, traffic, null, cancellationToken);
        network.ForbidPlaintext();

        await using (LabDaemonPair oneSa = await StartAsync(network, key, perCpu: false, cancellationToken))
        {
            await oneSa.ConnectAsync(Tunnel, _upTimeout, cancellationToken);
            await WarmUpAsync(traffic, cancellationToken);
            await RunsAsync(RunKind.OneSa, traffic, oneSa, cancellationToken);
        }

        await using LabDaemonPair perCpu = await StartAsync(network, key, perCpu: true, cancellationToken);
        SetUpResult setUp = await output.StepAsync("fallback and per-CPU Child SAs under a ping flood", 2, () => SetUpAsync(traffic, perCpu, cancellationToken));
        await WarmUpAsync(traffic, cancellationToken);
        await RunsAsync(RunKind.PerCpu, traffic, perCpu, cancellationToken);
        MovedSenderResult? moved = settings.Cpus.Count < 2
            ? null
            : await output.StepAsync($"a sender moves from CPU {settings.Cpus[0]} to CPU {settings.Cpus[1]}", Math.Max(2, settings.Seconds) + Overhead,
                () => traffic.MoveSenderAsync(settings.Cpus[0], settings.Cpus[1], () => perCpu.SampleAsync(cancellationToken), cancellationToken));

        return new LabResults
        {
            Version = typeof(LabRunner).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "",
            StartedAt = started,
            DurationSeconds = Math.Round(Stopwatch.GetElapsedTime(startedAt).TotalSeconds, 3),
            Options = new(settings.Cpus.Count, Word(settings.DataPlane), Word(settings.Mode), settings.Encapsulation, Word(settings.Protocol),
                settings.Seconds, settings.Repeat, IkeSuite, EspSuite, ReplayWindow),
            Host = host,
            DataPlane = new(perCpu.West.Initial.DataPlane, perCpu.West.Initial.DataPlaneReason),
            SetUp = setUp,
            Runs = _runs,
            MovedSender = moved,
            Checks = LabChecks.Of(settings.Cpus, setUp, _runs, moved),
        };
    }

    private async Task RunsAsync(RunKind kind, TrafficRun traffic, LabDaemonPair? gateways, CancellationToken cancellationToken)
    {
        Func<Task<GatewaySample>>? sample = gateways is null ? null : () => gateways.SampleAsync(cancellationToken);
        foreach (int flows in settings.FlowCounts)
        {
            var repetitions = new List<Repetition>();
            for (int i = 1; i <= settings.Repeat; i++)
            {
                string repetition = settings.Repeat > 1 ? $" ({i} of {settings.Repeat})" : "";
                repetitions.Add(await output.StepAsync($"{LabReport.Title(kind)}, {LabReport.Count(flows, "flow")}, {settings.Seconds} s{repetition}", settings.Seconds + Overhead,
                    () => traffic.MeasureAsync([.. settings.Cpus.Take(flows)], sample, kind == RunKind.PerCpu, cancellationToken)));
            }
            _runs.Add(RunSummary.Of(kind, flows, repetitions, _runs));
        }
    }

    private Task<bool> WarmUpAsync(TrafficRun traffic, CancellationToken cancellationToken)
        => output.StepAsync("warming up", 1 + Overhead, async () =>
        {
            await traffic.WarmUpAsync(settings.Cpus, cancellationToken);
            return true;
        });

    private async Task<SetUpResult> SetUpAsync(TrafficRun traffic, LabDaemonPair gateways, CancellationToken cancellationToken)
    {
        await using PingFlood flood = PingFlood.Start(traffic.Source, traffic.Destination, settings.Cpus, _pingInterval);
        // Before the first SA: what is sent now must not get through, and is what the fallback then finds running.
        await Task.Delay(200, cancellationToken);
        DateTimeOffset began = DateTimeOffset.UtcNow;
        await gateways.ConnectAsync(Tunnel, _upTimeout, cancellationToken);
        await gateways.WaitForChildSasAsync(Tunnel, _upTimeout, cancellationToken);
        DateTimeOffset allUp = DateTimeOffset.UtcNow;
        DateTimeOffset fallbackUp = await gateways.FallbackUpAsync(cancellationToken);
        await Task.Delay(800, cancellationToken);
        PingLoss loss = await flood.StopAsync(fallbackUp);
        GatewaySample sample = await gateways.SampleAsync(cancellationToken);

        return new SetUpResult(
            Math.Round((fallbackUp - began).TotalMilliseconds, 1),
            Math.Round((allUp - began).TotalMilliseconds, 1),
            new PingFloodResult(flood.Senders, flood.Interval.TotalMilliseconds, loss.SentBefore, loss.Sent, loss.Lost),
            sample.ChildSasSince(null));
    }

    private Task<LabDaemonPair> StartAsync(LabNetwork network, PreSharedKey key, bool perCpu, CancellationToken cancellationToken)
        => output.StepAsync(perCpu ? "gateways with one Child SA per CPU" : "gateways with one Child SA", 2,
            async () =>
            {
                LabDaemonPair gateways = await LabDaemonPair.StartAsync(
                    network,
                    settings.DataPlane,
                    settings.Cpus,
                    Definition(network.West, network.East, key, perCpu),
                    Definition(network.East, network.West, key, perCpu),
                    cancellationToken);
                // The kernel's IPsec takes what has a route; what must not leave in clear is held by now.
                if (gateways.West.Initial.DataPlane == "kernel")
                    network.AllowPlaintext();
                return gateways;
            });

    private TunnelDefinition Definition(LabHost here, LabHost there, PreSharedKey key, bool perCpu) => new()
    {
        Name = Tunnel,
        LocalAddress = here.Address.ToString(),
        RemoteAddress = there.Address.ToString(),
        PreSharedKey = key,
        LocalSelectors = settings.Mode == IpsecMode.Tunnel ? [here.Red.Network.ToString()] : null,
        RemoteSelectors = settings.Mode == IpsecMode.Tunnel ? [there.Red.Network.ToString()] : null,
        Mode = (TunnelMode)settings.Mode,
        IkeSuites = [IkeSuite],
        EspSuites = [EspSuite],
        PerCpu = perCpu ? new PerCpuDefinition() : null,
        ForceEncapsulation = settings.Encapsulation,
        ReplayWindow = ReplayWindow,
        // A rekey would start the counters of an SA anew in the middle of a run.
        ChildRekeySeconds = 0,
        IkeRekeySeconds = 0,
    };

    private static PreSharedKey NewKey()
    {
        Span<byte> random = stackalloc byte[32], text = stackalloc byte[44];
        RandomNumberGenerator.Fill(random);
        System.Buffers.Text.Base64.EncodeToUtf8(random, text, out _, out _);
        PreSharedKey key = PreSharedKey.CopyOf(text);
        CryptographicOperations.ZeroMemory(random);
        CryptographicOperations.ZeroMemory(text);
        return key;
    }

    private static string Word<T>(T value)
        where T : struct, Enum
        => value.ToString().ToLowerInvariant();
}
