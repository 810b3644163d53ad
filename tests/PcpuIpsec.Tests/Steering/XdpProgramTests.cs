using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Bpf;
using PcpuIpsec.Host;
using PcpuIpsec.Steering;
using PcpuIpsec.Tests.Namespaces;

namespace PcpuIpsec.Tests.Steering;

/// <summary>The program that the kernel verified and compiled, against the model of what it should do.</summary>
public sealed class XdpProgramTests
{
    /// <summary>No host has it, and no map either.</summary>
    private const int NoSuchCpu = 100_000;

    [NamespaceFact]
    public void Program_and_model_decide_alike_on_packets_of_all_kinds() => OnPinnedThread(cpu =>
    {
        using XdpMaps maps = XdpMaps.Create(HostCpus.Possible().Max() + 1, 4096);
        SteeringModel model = Fill(maps, [.. HostCpus.Online().Take(4)]);
        using SafeFileHandle program = XdpProgram.Load(maps, fragments: true);
        var generator = new FrameGenerator(seed: 9611);
        var seen = new Dictionary<SteeringVerdict, int>();
        ulong[] counts = Counts(maps);
        for (int i = 0; i < 30_000; i++)
        {
            byte[] frame = generator.Next();
            SteeringVerdict expected = model.Decide(frame);

            (uint verdict, _) = TestRun.Run(program, frame);

            ulong[] after = Counts(maps);
            int index = Enumerable.Range(0, after.Length).Single(c => after[c] != counts[c]);
            SteeringVerdict actual = index < XdpMaps.Reasons ? (SteeringReason)index : index - XdpMaps.Reasons;
            Assert.True(expected == actual, $"packet {i}: the model says {expected}, the program {actual}: {Convert.ToHexString(frame)}");
            Assert.Equal(actual.Cpu is { } to && to != cpu ? TestRun.Redirect : TestRun.Pass, verdict);
            seen[actual] = seen.GetValueOrDefault(actual) + 1;
            counts = after;
        }
        // The packets were of all kinds indeed.
        foreach (SteeringReason reason in Enum.GetValues<SteeringReason>())
            Assert.InRange(seen.GetValueOrDefault(reason), 50, int.MaxValue);
        foreach (int target in model.Cpus)
            Assert.InRange(seen.GetValueOrDefault(target), 500, int.MaxValue);
    });

    [NamespaceFact]
    public void Flows_in_clear_are_spread_evenly_and_a_flow_stays_where_it_is() => OnPinnedThread(cpu =>
    {
        int[] cpus = [.. HostCpus.Online().Take(4)];
        using XdpMaps maps = XdpMaps.Create(HostCpus.Possible().Max() + 1, 16);
        Configure(maps, [], cpus, flowPorts: 0);
        using SafeFileHandle program = XdpProgram.Load(maps, fragments: true);

        const int Flows = 4000;
        ulong[] before = Counts(maps);
        for (int flow = 0; flow < Flows; flow++)
            TestRun.Run(program, Udp((ushort)(1024 + flow), 5001));
        ulong[] after = Counts(maps);

        foreach (int to in cpus)
            Assert.InRange(after[XdpMaps.Reasons + to] - before[XdpMaps.Reasons + to], 0.9 * Flows / cpus.Length, 1.1 * Flows / cpus.Length);
        before = after;
        TestRun.Run(program, Udp(7, 5001), repeat: 100);
        after = Counts(maps);
        Assert.Equal(1, Enumerable.Range(0, after.Length).Count(i => after[i] != before[i]));
    });

    /// <summary>All kinds of entries, for CPUs that are set up, one that is not, and one that cannot be.</summary>
    private static SteeringModel Fill(XdpMaps maps, int[] cpus)
    {
        int[] targets = [.. cpus, NoSuchCpu];
        var entries = new Dictionary<SteeringEntry, int>();
        foreach (IPAddress own in FrameGenerator.Own)
        {
            foreach (uint spi in FrameGenerator.Spis[..^1])
                entries.Add(SteeringEntry.Spi(spi, own), targets[entries.Count % targets.Length]);
            entries.Add(SteeringEntry.SourcePort(60001, own), cpus[^1]);
            entries.Add(SteeringEntry.SourcePort(4500, own), cpus[0]);
        }
        entries.Add(SteeringEntry.FlowPort(SteeringEntry.Tcp, 443), cpus[0]);
        entries.Add(SteeringEntry.FlowPort(SteeringEntry.Udp, 51820), cpus[^1]);
        entries.Add(SteeringEntry.FlowPort(SteeringEntry.Udp, 53), NoSuchCpu);
        int[] flowCpus = [.. Enumerable.Range(0, 7).Select(i => cpus[i * i % cpus.Length])];
        foreach (int cpu in cpus)
            maps.Cpus.Update((uint)cpu, new CpuMapValue { QueueSize = 64 });
        foreach ((SteeringEntry entry, int cpu) in entries)
            maps.Entries.Update(entry.ToKey(), (uint)cpu);
        Configure(maps, [4500, 4501], flowCpus, flowPorts: 3);
        return new SteeringModel { Entries = entries, EspPorts = [4500, 4501], FlowCpus = flowCpus, Cpus = cpus.ToHashSet() };
    }

    private static void Configure(XdpMaps maps, ushort[] espPorts, int[] flowCpus, uint flowPorts)
    {
        var config = new SteeringConfig { Version = SteeringConfig.CurrentVersion, FlowPortCount = flowPorts, FlowCpuCount = (uint)flowCpus.Length };
        for (int i = 0; i < espPorts.Length; i++)
            config.EspPorts[i] = (ushort)BpfAssembler.Network(espPorts[i]);
        for (int i = 0; i < flowCpus.Length; i++)
        {
            config.FlowCpus[i] = (uint)flowCpus[i];
            maps.Cpus.Update((uint)flowCpus[i], new CpuMapValue { QueueSize = 64 });
        }
        maps.Config.Update(0u, config);
    }

    private static ulong[] Counts(XdpMaps maps)
    {
        ulong[] counts = new ulong[maps.Counts.Shape.EntriesAtMost];
        ulong[] perCpu = new ulong[HostCpus.Possible().Max() + 1];
        for (int i = 0; i < counts.Length; i++)
        {
            Assert.True(maps.Counts.TryLookup((uint)i, MemoryMarshal.AsBytes(perCpu.AsSpan())));
            counts[i] = (ulong)perCpu.Sum(c => (long)c);
        }
        return counts;
    }

    private static byte[] Udp(ushort from, ushort to) => [
        .. new byte[12], 0x08, 0x00,
        0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1,
        (byte)(from >> 8), (byte)from, (byte)(to >> 8), (byte)to, 0, 16, 0, 0, .. new byte[8]];

    /// <summary>Where the program runs decides whether a packet is there already.</summary>
    private static void OnPinnedThread(Action<int> test)
    {
        using var thread = new NamespaceThread(null);
        int cpu = HostCpus.Allowed()[0];
        thread.Run(() =>
        {
            HostCpus.PinCurrentThread(cpu);
            test(cpu);
        });
    }
}
