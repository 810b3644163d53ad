using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Host;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Steering;

/// <summary>
/// Packets of one interface to the CPUs that entries name, by an XDP program and a cpumap. The program and what it was told outlive
/// this object and its process, until <see cref="Detach"/>: disposing lets go of it and changes nothing.
/// What a NIC worked out for a packet that is handed on, checksum and flow hash, is lost on the way in native mode.
/// </summary>
internal sealed class XdpSteering : IDisposable
{
    private readonly Lock _lock = new();
    private readonly XdpSockets _sockets;
    private readonly SafeFileHandle _program;
    private readonly XdpMaps _maps;
    private readonly uint _queueSize;
    private readonly Dictionary<SteeringEntry, int> _entries = [];
    private readonly HashSet<int> _cpus = [];
    private SteeringConfig _config;

    internal XdpSteering(string link, XdpSockets sockets, XdpMode mode, SafeFileHandle program, XdpMaps maps, int queueSize, IReadOnlyList<string> warnings)
    {
        (Link, _sockets, Mode, _program, _maps, _queueSize, Warnings) = (link, sockets, mode, program, maps, (uint)queueSize, warnings);
        if (!maps.Config.TryLookup(0u, out _config))
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The settings of the program on {link} cannot be read.");
        // What a predecessor left; nothing right after attaching.
        foreach (SteeringKey key in maps.Entries.Keys<SteeringKey>())
        {
            if (maps.Entries.TryLookup(key, out uint cpu))
                _entries.Add(SteeringEntry.FromKey(key), (int)cpu);
        }
        for (int cpu = 0; cpu < maps.Cpus.Shape.EntriesAtMost; cpu++)
        {
            if (maps.Cpus.TryLookup((uint)cpu, out CpuMapValue _))
                _cpus.Add(cpu);
        }
        Tidy();
    }

    /// <summary>The interface's name, in the namespace of the thread that attached.</summary>
    public string Link { get; }

    public XdpMode Mode { get; }

    /// <summary>Why not native, and what the interface cannot do as long as the program is there.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>The CPUs that flows in clear without a port that is listed are spread over; none leaves them where they are.</summary>
    public IReadOnlyList<int> FlowCpus
    {
        get
        {
            lock (_lock)
                return FlowCpusNow();
        }
    }

    /// <summary>Attaches the program to an interface of the calling thread's network namespace.</summary>
    /// <exception cref="PcpuIpsecException">There is no such interface, it has no Ethernet header, has a program, or the kernel refuses; nothing was changed.</exception>
    public static XdpSteering Attach(string link, XdpSteeringOptions? options = null) => XdpAttaching.Attach(link, options ?? new XdpSteeringOptions());

    /// <summary>Goes on with a program that was attached before, with all that it was told; null where there is none of ours.</summary>
    /// <exception cref="PcpuIpsecException">The program is another version's.</exception>
    public static XdpSteering? TakeOver(string link) => XdpAttaching.TakeOver(link);

    /// <summary>Detaches our program, any version's, and puts the interface back as it was; false where there is none of ours.</summary>
    public static bool DetachFrom(string link) => XdpAttaching.DetachFrom(link);

    /// <summary>Sends what an entry takes to a CPU from now on.</summary>
    public void Set(in SteeringEntry entry, int cpu)
    {
        CheckCpu(cpu);
        lock (_lock)
        {
            // The CPU's queue is there before the first packet is sent to it, and goes after the last.
            SetUp(cpu);
            _maps.Entries.Update(entry.ToKey(), (uint)cpu);
            _entries[entry] = cpu;
            Tidy();
        }
    }

    /// <summary>Leaves what an entry took where it comes in; false where there is no such entry.</summary>
    public bool Remove(in SteeringEntry entry)
    {
        lock (_lock)
        {
            _maps.Entries.Delete(entry.ToKey());
            bool removed = _entries.Remove(entry);
            Tidy();
            return removed;
        }
    }

    /// <summary>What is set, with the CPUs.</summary>
    public IReadOnlyDictionary<SteeringEntry, int> Entries()
    {
        lock (_lock)
            return new Dictionary<SteeringEntry, int>(_entries);
    }

    /// <summary>Spreads flows in clear over CPUs by a hash of addresses, protocol and ports; one that is named twice gets twice as much.</summary>
    public void SetFlowCpus(IReadOnlyList<int> cpus)
    {
        if (cpus.Count > SteeringConfig.FlowCpusAtMost)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"flow CPUs = {cpus.Count}: allowed are {SteeringConfig.FlowCpusAtMost} at most.");
        foreach (int cpu in cpus)
            CheckCpu(cpu);
        lock (_lock)
        {
            foreach (int cpu in cpus)
                SetUp(cpu);
            for (int i = 0; i < cpus.Count; i++)
                _config.FlowCpus[i] = (uint)cpus[i];
            // Slots before their number: the program never reads one that was not written.
            if (cpus.Count > _config.FlowCpuCount)
                WriteConfig();
            _config.FlowCpuCount = (uint)cpus.Count;
            WriteConfig();
            Tidy();
        }
    }

    /// <summary>What happened since the program was attached, also before a take-over.</summary>
    public SteeringCounters ReadCounters()
    {
        ulong[] perCpu = new ulong[HostCpus.Possible().Max() + 1];
        var placed = new SortedDictionary<int, ulong>();
        var passedOn = new SortedDictionary<SteeringReason, ulong>();
        for (int index = 0; index < _maps.Counts.Shape.EntriesAtMost; index++)
        {
            ulong count = 0;
            if (_maps.Counts.TryLookup((uint)index, MemoryMarshal.AsBytes(perCpu.AsSpan())))
                perCpu.ToList().ForEach(c => count += c);
            if (index < XdpMaps.Reasons)
                passedOn.Add((SteeringReason)index, count);
            else if (count != 0)
                placed.Add(index - XdpMaps.Reasons, count);
        }
        return new SteeringCounters(placed, passedOn);
    }

    /// <summary>Takes the program off the interface, if it is still there, and puts the interface back as it was.</summary>
    /// <exception cref="PcpuIpsecException">Another program is there now; it stays.</exception>
    public void Detach() => XdpAttaching.Detach(_sockets, Link, Mode, _program, _maps);

    public void Dispose()
    {
        _program.Dispose();
        _maps.Dispose();
        _sockets.Dispose();
    }

    /// <summary>For tests, which run the program on packets of their own.</summary>
    internal SafeFileHandle Program => _program;

    private int[] FlowCpusNow()
    {
        int[] cpus = new int[_config.FlowCpuCount];
        for (int i = 0; i < cpus.Length; i++)
            cpus[i] = (int)_config.FlowCpus[i];
        return cpus;
    }

    private static void CheckCpu(int cpu)
    {
        IReadOnlyList<int> online = HostCpus.Online();
        if (!online.Contains(cpu))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"cpu = {cpu}: allowed are those online, {CpuList.Format(online)}.");
    }

    private void SetUp(int cpu)
    {
        if (_cpus.Contains(cpu))
            return;
        _maps.Cpus.Update((uint)cpu, new CpuMapValue { QueueSize = _queueSize });
        _cpus.Add(cpu);
    }

    /// <summary>Has the settings say whether ports are listed, and takes away the queues of CPUs that nothing is sent to any more.</summary>
    private void Tidy()
    {
        uint ports = (uint)_entries.Keys.Count(e => e.Kind == SteeringKind.FlowPort);
        if (ports != _config.FlowPortCount)
        {
            _config.FlowPortCount = ports;
            WriteConfig();
        }
        HashSet<int> wanted = [.. _entries.Values, .. FlowCpusNow()];
        foreach (int cpu in _cpus.Where(c => !wanted.Contains(c)).ToArray())
        {
            _maps.Cpus.Delete((uint)cpu);
            _cpus.Remove(cpu);
        }
    }

    private void WriteConfig() => _maps.Config.Update(0u, _config);
}
