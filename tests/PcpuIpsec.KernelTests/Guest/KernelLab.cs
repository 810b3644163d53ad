using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Guest;

/// <summary>
/// The lab's four hosts in the VM: sunset – west = east – sunrise, with addresses as <see cref="LabNetwork"/> tells. What the
/// kernel held at the end, and what was captured, is left in the test's folder for people.
/// </summary>
internal sealed class KernelLab : IAsyncDisposable
{
    private readonly List<LabCapture> _captures = [];
    private readonly string _folder = GuestMachine.TestFolder;

    private KernelLab(LabNetwork network) => Network = network;

    public LabNetwork Network { get; }

    public LabHost Sunset => Network.Sunset;

    public LabHost West => Network.West;

    public LabHost East => Network.East;

    public LabHost Sunrise => Network.Sunrise;

    public static async Task<KernelLab> CreateAsync(LabOptions? options = null)
    {
        var lab = new KernelLab(await LabNetwork.CreateAsync(options ?? new LabOptions(), CancellationToken.None));
        await MeetAsync(lab.Sunset, lab.West.Red);
        await MeetAsync(lab.West, lab.East.Black!);
        await MeetAsync(lab.Sunrise, lab.East.Red);
        return lab;
    }

    /// <summary>
    /// Has neighbors find each other's link-layer address. What is sent before waits in one queue for it, and leaves on the CPU
    /// that the answer comes in on, whichever CPU sent it.
    /// </summary>
    private static async Task MeetAsync(LabHost host, LabInterface neighbor)
    {
        var pings = new LabCommand("sh", "-c", $"ping -n -q -c 1 -W 5 {neighbor.Address} && ping -n -q -c 1 -W 5 {neighbor.Address6}");
        CommandResult result = await host.RunAsync(pings, CancellationToken.None);
        Assert.True(result.ExitCode == 0, $"{host.Name} does not reach its neighbor: {result.Output}{result.Error}");
    }

    /// <summary>Runs <c>ip</c> in a host: "xfrm state add …".</summary>
    public static async Task<CommandResult> IpAsync(LabHost host, string arguments)
        => await host.RunAsync(new LabCommand("ip", arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)), CancellationToken.None);

    /// <summary>Captures into the test's folder until the lab's end; stop it before reading the file.</summary>
    public async Task<LabCapture> CaptureAsync(LabHost host, string interfaceName, string filter = "", int snapLength = 0)
    {
        LabCapture capture = await LabCapture.StartAsync(host, interfaceName, Path.Combine(_folder, $"{host.Name}-{interfaceName}-{_captures.Count}.pcap"), snapLength, filter);
        _captures.Add(capture);
        return capture;
    }

    /// <summary>The SAs of a host's kernel.</summary>
    public static Task<IReadOnlyList<KernelSa>> SasAsync(LabHost host) => KernelSa.ReadAsync(host);

    public async ValueTask DisposeAsync()
    {
        // Here, as the test's outcome is known only when its hosts are gone.
        foreach (LabHost host in Network.Hosts)
            await DumpAsync(host);
        foreach (LabCapture capture in _captures)
            await capture.DisposeAsync();
        await Network.DisposeAsync();
    }

    private async Task DumpAsync(LabHost host)
    {
        const string Script = """
            exec 2>&1
            echo '# ip -s xfrm state (without keys)'; ip -s xfrm state list nokeys
            echo '# ip -s xfrm policy'; ip -s xfrm policy
            echo '# /proc/net/xfrm_stat'; grep -v '[[:space:]]0$' /proc/net/xfrm_stat
            echo '# ip -s link'; ip -s link
            echo '# ip route'; ip route show table all; ip -6 route show table all
            """;
        CommandResult dump = await host.RunAsync(new LabCommand("sh", "-c", Script), CancellationToken.None);
        await File.WriteAllTextAsync(Path.Combine(_folder, host.Name + ".txt"), dump.Output);
    }
}
