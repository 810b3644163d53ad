using System.Diagnostics;
using PcpuIpsec.Host;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>
/// West and east with a wire between them, each with a protected address on its loopback:
/// 10.1.0.1, fd01::1 – west – 192.0.2.1, 2001:db8::1 = 192.0.2.2, 2001:db8::2 – east – 10.2.0.1, fd02::1.
/// </summary>
internal sealed class TestNetwork : IDisposable
{
    public static readonly string WestOuter4 = "192.0.2.1", EastOuter4 = "192.0.2.2", WestOuter6 = "2001:db8::1", EastOuter6 = "2001:db8::2";
    public static readonly string WestInner4 = "10.1.0.1", EastInner4 = "10.2.0.1", WestInner6 = "fd01::1", EastInner6 = "fd02::1";

    private static int _number;
    private readonly List<IDisposable> _threads = [];

    public TestNetwork()
    {
        string id = $"{Environment.ProcessId}-{Interlocked.Increment(ref _number)}";
        WestName = $"pcpu-west-{id}";
        EastName = $"pcpu-east-{id}";
        Ip($"netns add {WestName}");
        Ip($"netns add {EastName}");
        Ip($"-n {WestName} link add wire numtxqueues 4 numrxqueues 4 type veth peer name wire numtxqueues 4 numrxqueues 4 netns {EastName}");
        const string WestMac = "02:00:00:00:00:01", EastMac = "02:00:00:00:00:02";
        SetUp(WestName, WestMac, WestOuter4, WestOuter6, WestInner4, WestInner6, EastMac, EastOuter4, EastOuter6);
        SetUp(EastName, EastMac, EastOuter4, EastOuter6, EastInner4, EastInner6, WestMac, WestOuter4, WestOuter6);
        West = Enter(WestName);
        East = Enter(EastName);
    }

    public string WestName { get; }
    public string EastName { get; }

    /// <summary>Threads within, for sockets.</summary>
    public NamespaceThread West { get; }
    public NamespaceThread East { get; }

    public static string PathOf(string name) => $"/run/netns/{name}";

    public NamespaceThread Enter(string name)
    {
        var thread = new NamespaceThread(PathOf(name));
        _threads.Add(thread);
        return thread;
    }

    /// <summary>Watches what comes to east over the wire.</summary>
    public WireCapture CaptureInEast() => new(East, int.Parse(InNamespace(EastName, "cat /sys/class/net/wire/ifindex"), System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>Runs ip(8) and fails with its words.</summary>
    public static string Ip(string arguments) => Run("ip", arguments);

    public static string InNamespace(string name, string command) => Run("ip", $"netns exec {name} {command}");

    public static (int ExitCode, string Output) TryInNamespace(string name, string command) => TryRun("ip", $"netns exec {name} {command}");

    public void Dispose()
    {
        foreach (IDisposable thread in _threads)
            thread.Dispose();
        TryRun("ip", $"netns del {WestName}");
        TryRun("ip", $"netns del {EastName}");
    }

    private static void SetUp(string name, string mac, string outer4, string outer6, string inner4, string inner6, string peerMac, string peer4, string peer6)
    {
        Ip($"-n {name} link set wire address {mac}");
        Ip($"-n {name} addr add {outer4}/24 dev wire");
        Ip($"-n {name} addr add {outer6}/64 dev wire nodad");
        Ip($"-n {name} addr add {inner4}/32 dev lo");
        Ip($"-n {name} addr add {inner6}/128 dev lo nodad");
        Ip($"-n {name} link set lo up");
        Ip($"-n {name} link set wire up");
        // Neighbours that are known: discovery takes a second on a link that has just come up.
        Ip($"-n {name} neigh add {peer4} lladdr {peerMac} dev wire nud permanent");
        Ip($"-n {name} neigh add {peer6} lladdr {peerMac} dev wire nud permanent");
        // The way that protected traffic would take in clear.
        Ip($"-n {name} route add default via {peer4}");
        Ip($"-n {name} route add default via {peer6}");
    }

    private static string Run(string program, string arguments)
    {
        (int exitCode, string output) = TryRun(program, arguments);
        return exitCode == 0 ? output : throw new InvalidOperationException($"{program} {arguments} ended with {exitCode}: {output}");
    }

    private static (int, string) TryRun(string program, string arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(TimeSpan.FromSeconds(30)))
        {
            process.Kill();
            throw new TimeoutException($"{program} {arguments} did not end within 30 s");
        }
        return (process.ExitCode, output + error.Result);
    }
}
