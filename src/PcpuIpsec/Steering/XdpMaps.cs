using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Bpf;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Steering;

/// <summary>The program's maps, through which it is told what to do while it runs.</summary>
internal sealed class XdpMaps : IDisposable
{
    private XdpMaps(BpfMap config, BpfMap entries, BpfMap cpus, BpfMap counts)
        => (Config, Entries, Cpus, Counts) = (config, entries, cpus, counts);

    /// <summary>0 → <see cref="SteeringConfig"/>.</summary>
    public BpfMap Config { get; }

    /// <summary><see cref="SteeringKey"/> → CPU.</summary>
    public BpfMap Entries { get; }

    /// <summary>CPU → <see cref="CpuMapValue"/>: a queue and a kernel thread for each that is there.</summary>
    public BpfMap Cpus { get; }

    /// <summary>A reason's number, or a CPU's after them → packets, counted for each CPU that they came in on.</summary>
    public BpfMap Counts { get; }

    public static int Reasons { get; } = Enum.GetValues<SteeringReason>().Length;

    private static BpfMapShape ConfigShape { get; } = new(Libc.BPF_MAP_TYPE_ARRAY, "steer_config", sizeof(uint), Unsafe.SizeOf<SteeringConfig>(), 1);

    /// <param name="cpus">How many CPUs there can be.</param>
    /// <param name="entriesAtMost">The capacity; memory is taken only for what is there.</param>
    public static XdpMaps Create(int cpus, int entriesAtMost)
    {
        var made = new List<BpfMap>();
        try
        {
            foreach (BpfMapShape shape in (BpfMapShape[])
            [
                ConfigShape,
                new(Libc.BPF_MAP_TYPE_HASH, "steer_entries", Unsafe.SizeOf<SteeringKey>(), sizeof(uint), entriesAtMost, Libc.BPF_F_NO_PREALLOC),
                new(Libc.BPF_MAP_TYPE_CPUMAP, "steer_cpus", sizeof(uint), Unsafe.SizeOf<CpuMapValue>(), cpus),
                new(Libc.BPF_MAP_TYPE_PERCPU_ARRAY, "steer_counts", sizeof(uint), sizeof(ulong), Reasons + cpus),
            ])
            {
                made.Add(BpfMap.Create(shape));
            }
            return new XdpMaps(made[0], made[1], made[2], made[3]);
        }
        catch
        {
            made.ForEach(m => m.Dispose());
            throw;
        }
    }

    /// <summary>Those of a program that runs; null where they are not as this version makes them.</summary>
    public static XdpMaps? TryOpen(SafeFileHandle program)
    {
        var maps = new List<BpfMap>();
        try
        {
            foreach (uint id in BpfProgram.Of(program).MapIds)
                maps.Add(BpfMap.Open(id));
            BpfMap? Find(string name, uint type, int keySize, int valueSize)
                => maps.Find(m => (m.Shape.Name, m.Shape.Type, m.Shape.KeySize, m.Shape.ValueSize) == (name, type, keySize, valueSize));
            if (Find("steer_config", Libc.BPF_MAP_TYPE_ARRAY, sizeof(uint), ConfigShape.ValueSize) is { } config
                && Find("steer_entries", Libc.BPF_MAP_TYPE_HASH, Unsafe.SizeOf<SteeringKey>(), sizeof(uint)) is { } entries
                && Find("steer_cpus", Libc.BPF_MAP_TYPE_CPUMAP, sizeof(uint), Unsafe.SizeOf<CpuMapValue>()) is { } cpus
                && Find("steer_counts", Libc.BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint), sizeof(ulong)) is { } counts
                && config.TryLookup(0u, out SteeringConfig value) && value.Version == SteeringConfig.CurrentVersion)
            {
                var found = new XdpMaps(config, entries, cpus, counts);
                maps.RemoveAll(m => m == config || m == entries || m == cpus || m == counts);
                return found;
            }
            return null;
        }
        finally
        {
            maps.ForEach(m => m.Dispose());
        }
    }

    public void Dispose()
    {
        Config.Dispose();
        Entries.Dispose();
        Cpus.Dispose();
        Counts.Dispose();
    }
}

/// <summary>struct bpf_cpumap_val (linux/bpf.h).</summary>
internal struct CpuMapValue
{
    /// <summary>Packets that wait for the CPU; what comes on top is dropped.</summary>
    public uint QueueSize;

    /// <summary>A second program, which runs on the CPU; 0 is none. Reads give its id.</summary>
    public int Program;
}
