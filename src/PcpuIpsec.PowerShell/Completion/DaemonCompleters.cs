using System.Collections;
using System.Globalization;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Completion;

/// <summary>Names of tunnels: the daemon's, and where none runs those that are declared on this host.</summary>
internal sealed class TunnelNameCompleter : Completer
{
    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound)
    {
        if (FindSocket(bound) is { } socket)
        {
            if (TryAsk(socket, (daemon, stop) => daemon.GetTunnelsAsync(stop), out IReadOnlyList<Tunnel> tunnels))
                return tunnels.Select(t => new Candidate(t.Name, $"{t.Name}: {t.State}, {t.Definition.LocalAddress} = {t.Definition.RemoteAddress}"));
            if (socket != DaemonClient.DefaultSocketPath)
                return [];
        }
        return DeclaredTunnels.Names(DeclaredTunnels.DefaultFolder).Select(n => new Candidate(n));
    }
}

/// <summary>Names of tunnels at the other end, where its daemon can be asked.</summary>
internal sealed class PeerTunnelNameCompleter : Completer
{
    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound)
        => PathOf(bound["PeerSocket"]) is { } socket && TryAsk(socket, (daemon, stop) => daemon.GetTunnelsAsync(stop), out IReadOnlyList<Tunnel> tunnels)
            ? tunnels.Select(t => new Candidate(t.Name))
            : [];
}

/// <summary>CPUs: those of the daemon's data plane, and where none runs those that this host has online.</summary>
internal sealed class CpuCompleter : Completer
{
    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound)
    {
        IReadOnlyList<int> cpus = FindSocket(bound) is { } socket && TryAsk(socket, (daemon, stop) => daemon.GetInfoAsync(stop), out DaemonInfo info)
            ? info.Cpus
            : ThisHost.OnlineCpus();
        return cpus.Select(c => new Candidate(c.ToString(CultureInfo.InvariantCulture), $"CPU {c}"));
    }
}

/// <summary>Numbers of the Child SAs of the tunnel that was typed.</summary>
internal sealed class ChildSaNumberCompleter : Completer
{
    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound)
        => FindSocket(bound) is { } socket && bound["Tunnel"] is string tunnel
            && TryAsk(socket, (daemon, stop) => daemon.GetChildSasAsync(tunnel, stop), out IReadOnlyList<ChildSa> children)
            ? children.Select(c => new Candidate(c.Number.ToString(CultureInfo.InvariantCulture), c.IsFallback ? $"{c.Number}: the fallback" : $"{c.Number}: CPU {c.Cpu}"))
            : [];
}

/// <summary>Labs of this session.</summary>
internal sealed class LabCompleter : Completer
{
    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound) => SessionLabs.All.Select(l => new Candidate(l.Id));
}
