using System.Net;

namespace PcpuIpsec.Esp;

/// <summary>Policies and SAs as installed, from which the workers' views are made. Guarded by its owner.</summary>
internal sealed class PlaneTables(int workers)
{
    private readonly Dictionary<string, PolicyEntry> _policies = [];
    private readonly Dictionary<uint, InboundEntry> _inbound = [];
    private readonly List<OutboundEntry> _outbound = [];
    private readonly List<int[]> _encapsulation = [];
    private long _version;

    public IEnumerable<InboundEntry> Inbound => _inbound.Values;
    public IEnumerable<OutboundEntry> Outbound => _outbound;
    public IEnumerable<PolicyEntry> Policies => _policies.Values;

    public void SetPolicy(PolicyEntry policy) => _policies[policy.Policy.Connection] = policy;

    public bool RemovePolicy(string connection) => _policies.Remove(connection);

    public PolicyEntry? FindPolicy(string connection) => _policies.GetValueOrDefault(connection);

    /// <summary>Adds one ESP in UDP socket for each worker.</summary>
    public void AddSockets(int[] sockets) => _encapsulation.Add(sockets);

    public bool HasInbound(uint spi) => _inbound.ContainsKey(spi);

    public void Add(InboundEntry entry) => _inbound.Add(entry.Installation.Spi, entry);

    public InboundEntry? TakeInbound(uint spi) => _inbound.Remove(spi, out InboundEntry? entry) ? entry : null;

    public void Add(OutboundEntry entry) => _outbound.Add(entry);

    public OutboundEntry? FindOutbound(uint spi, IPAddress destination)
        => _outbound.Find(e => e.Installation.Spi == spi && e.Installation.Destination.Equals(destination));

    /// <summary>By SPI within a connection: its peer may have moved since.</summary>
    public OutboundEntry? FindOutbound(uint spi, string connection)
        => _outbound.Find(e => e.Installation.Spi == spi && e.Installation.Connection == connection);

    /// <summary>Puts one in another's place among those of its CPU.</summary>
    public void Replace(OutboundEntry entry, OutboundEntry by) => _outbound[_outbound.IndexOf(entry)] = by;

    public bool Remove(OutboundEntry entry) => _outbound.Remove(entry);

    /// <summary>Makes the views of all workers.</summary>
    /// <param name="sockets">Each worker's sockets besides those for ESP in UDP.</param>
    public WorkerView[] MakeViews(Func<int, IEnumerable<EspSocket>> sockets)
    {
        _version++;
        // The newest wins, as in the kernel.
        const int Any = -1;
        var newest = new Dictionary<(string Connection, int Worker), OutboundEntry>();
        foreach (OutboundEntry entry in _outbound)
        {
            if (!entry.IsReplaced)
                newest[(entry.Installation.Connection, entry.Worker ?? Any)] = entry;
        }
        var inbound = new Dictionary<uint, InboundEntry>(_inbound);
        PolicyEntry[] policies = [.. _policies.Values.OrderBy(p => p.Width).ThenBy(p => p.Policy.Connection, StringComparer.Ordinal)];
        var views = new WorkerView[workers];
        for (int worker = 0; worker < workers; worker++)
        {
            var routes = new OutboundRoute[policies.Length];
            for (int i = 0; i < policies.Length; i++)
            {
                string connection = policies[i].Policy.Connection;
                routes[i] = new OutboundRoute(policies[i], newest.GetValueOrDefault((connection, worker)), newest.GetValueOrDefault((connection, Any)));
            }
            var all = new List<EspSocket>(sockets(worker));
            foreach (int[] group in _encapsulation)
                all.Add(new EspSocket(group[worker], HasIPv4Header: false));
            views[worker] = new WorkerView(_version, routes, inbound, [.. all]);
        }
        return views;
    }
}
