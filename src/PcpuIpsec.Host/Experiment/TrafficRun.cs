using System.Net;
using PcpuIpsec.Lab;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Host.Experiment;

/// <summary>Sends the lab's traffic and reads what the machine and the gateways counted meanwhile.</summary>
internal sealed class TrafficRun(LabHost source, LabHost destination, TrafficProtocol protocol, int seconds)
{
    private const int FirstPort = 5201;

    /// <summary>A rate that no data plane drops at, for what is counted and not raced.</summary>
    private const long SteadyRate = 50_000_000;

    /// <summary>Sends from all the CPUs for a second, so that the gateways' code is compiled as it is in one that has run for a while.</summary>
    public async Task WarmUpAsync(IReadOnlyList<int> cpus, CancellationToken cancellationToken)
        => await new TrafficRun(source, destination, TrafficProtocol.Tcp, 1).MeasureAsync(cpus, null, false, cancellationToken);

    public LabHost Source => source;

    public IPAddress Destination => destination.Address;

    /// <summary>One flow a CPU, all at once.</summary>
    /// <param name="cpus">Where the senders are pinned.</param>
    /// <param name="gateways">What reads the gateways' counters; null for plaintext.</param>
    /// <param name="perCpu">The flows have Child SAs of their own.</param>
    /// <param name="cancellationToken">Stops the flows.</param>
    public async Task<Repetition> MeasureAsync(IReadOnlyList<int> cpus, Func<Task<GatewaySample>>? gateways, bool perCpu, CancellationToken cancellationToken)
    {
        var drivers = new List<IperfDriver>();
        try
        {
            int[] serverCpus = [.. cpus];
            if (perCpu && gateways is not null)
            {
                GatewaySample paired = await gateways();
                serverCpus = [.. cpus.Select(c => paired.EastCpuOf(c) ?? c)];
            }
            foreach ((int index, int cpu) in cpus.Index())
                drivers.Add(await IperfDriver.ListenAsync(Flow(index, cpu, serverCpus[index], seconds), cancellationToken));

            GatewaySample? before = gateways is null ? null : await gateways();
            CpuTimes timesBefore = CpuTimes.Read();
            drivers.ForEach(d => d.Start());
            IperfReport[] reports = await Task.WhenAll(drivers.Select(d => d.FinishAsync(cancellationToken)));
            IReadOnlyList<CpuTime> times = CpuTimes.Read().Since(timesBefore);
            GatewaySample? after = gateways is null ? null : await gateways();

            GatewayPair<IReadOnlyList<ChildSaResult>>? childSas = after?.ChildSasSince(before);
            IReadOnlyList<double?> shares = perCpu && childSas is not null && RunSummary.CanAttribute(reports)
                ? RunSummary.OwnSaShares([.. cpus.Zip(reports, (cpu, report) => (cpu, report.Bytes))], childSas.West)
                : [.. cpus.Select(_ => (double?)null)];
            return new Repetition(
                [.. cpus.Select((cpu, i) => new FlowResult(cpu, serverCpus[i], reports[i], shares[i]))],
                [.. times.Select(ToResult)],
                childSas,
                after?.DropsSince(before!));
        }
        finally
        {
            foreach (IperfDriver driver in drivers)
                await driver.DisposeAsync();
        }
    }

    /// <summary>A UDP flow whose sender moves from one CPU to another when half of its time is over.</summary>
    public async Task<MovedSenderResult> MoveSenderAsync(int from, int to, Func<Task<GatewaySample>> gateways, CancellationToken cancellationToken)
    {
        int length = Math.Max(2, seconds);
        IperfFlow flow = Flow(0, from, to, length) with { Protocol = TrafficProtocol.Udp, Rate = SteadyRate };
        await using IperfDriver driver = await IperfDriver.ListenAsync(flow, cancellationToken);

        GatewaySample start = await gateways();
        driver.Start();
        await Task.Delay(TimeSpan.FromSeconds(length / 2.0), cancellationToken);
        // All threads of the sender; the call returns once they run on the other CPU.
        (await source.RunAsync(new LabCommand("taskset", "-a", "-p", "-c", $"{to}", $"{driver.ClientPid}"), cancellationToken)).EnsureSuccess();
        GatewaySample moved = await gateways();
        IperfReport report = await driver.FinishAsync(cancellationToken);
        GatewaySample end = await gateways();

        IReadOnlyList<SaBytes> before = Sent(moved.ChildSasSince(start).West), after = Sent(end.ChildSasSince(moved).West);
        long total = after.Sum(s => s.Bytes);
        double share = total == 0 ? 0 : (double)after.Where(s => s.Cpu == to).Sum(s => s.Bytes) / total;
        return new MovedSenderResult(from, to, report, before, after, Math.Round(share, 4));
    }

    private IperfFlow Flow(int index, int cpu, int serverCpu, int length) => new()
    {
        Source = source,
        Destination = destination,
        Address = destination.Address,
        Port = FirstPort + index,
        Cpu = cpu,
        ServerCpu = serverCpu,
        Seconds = length,
        Protocol = protocol,
    };

    private static IReadOnlyList<SaBytes> Sent(IReadOnlyList<ChildSaResult> childSas)
        => [.. childSas.Where(c => c.Outbound.Bytes > 0).Select(c => new SaBytes(c.Outbound.Spi, c.Cpu, c.IsFallback, c.Outbound.Bytes))];

    private static CpuTimeResult ToResult(CpuTime t)
    {
        const int Milliseconds = 1000 / CpuTimes.TicksPerSecond;
        return new(t.Cpu, t.User * Milliseconds, t.System * Milliseconds, t.Irq * Milliseconds, t.SoftIrq * Milliseconds, t.Idle * Milliseconds, t.Steal * Milliseconds);
    }
}
