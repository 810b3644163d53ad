using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>All that a gateway could leave behind in a network namespace, a line a thing.</summary>
internal sealed class Leavings
{
    private readonly HashSet<string> _lines = [];

    private Leavings()
    {
    }

    public static Leavings Of(NetworkNamespace @namespace)
    {
        var found = new Leavings();
        foreach (string what in (string[])["-4 rule", "-6 rule", "-4 route show table all", "-6 route show table all", "-br link", "xfrm state", "xfrm policy"])
            found.Add(what, TestNetwork.Ip($"-o -n {@namespace.Name} {what}").Split('\n'));
        foreach (string file in (string[])["udp", "udp6", "raw", "raw6", "packet"])
            found.Add(file, Sockets(@namespace.ReadProcNet(file)));
        found._lines.Add($"net.core.xfrm_acq_expires = {@namespace.GetSysctl("net.core.xfrm_acq_expires")}");
        string inode = @namespace.Run(() => File.ResolveLinkTarget("/proc/thread-self/ns/net", returnFinalTarget: false)!.Name);
        string files = $"xfrm_acq_expires.{string.Concat(inode.Where(char.IsAsciiDigit))}*";
        found._lines.UnionWith(Directory.Exists("/run/pcpu-ipsec") ? Directory.GetFiles("/run/pcpu-ipsec", files) : []);
        return found;
    }

    /// <summary>What is there and was not before.</summary>
    public IReadOnlyList<string> Since(Leavings before) => [.. _lines.Except(before._lines).Order(StringComparer.Ordinal)];

    // The local address and port: what follows counts packets.
    private static IEnumerable<string> Sockets(string table) => table.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(l => string.Join(' ', l.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(2)));

    private void Add(string what, IEnumerable<string> lines) => _lines.UnionWith(lines.Where(l => l.Trim().Length > 0).Select(l => $"{what}: {l.Trim()}"));
}
