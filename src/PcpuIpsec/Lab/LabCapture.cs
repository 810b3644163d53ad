using System.Globalization;
using System.Text.RegularExpressions;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Lab;

/// <summary>tcpdump on one interface of a lab host. What it wrote is complete once it was stopped.</summary>
internal sealed partial class LabCapture : IAsyncDisposable
{
    private static readonly TimeSpan _startTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _drainTimeout = TimeSpan.FromSeconds(10);

    private const int SIGUSR1 = 10;

    private readonly LabProcess _process;

    private LabCapture(LabProcess process, string path)
    {
        _process = process;
        Path = path;
    }

    /// <summary>The pcap file.</summary>
    public string Path { get; }

    /// <summary>Packets in the file, once stopped.</summary>
    public long Captured { get; private set; }

    /// <summary>Packets that the kernel had no room for, once stopped: a proof of absence needs 0 here.</summary>
    public long Dropped { get; private set; }

    /// <summary>Starts capturing; every packet from the return on is in the file.</summary>
    /// <param name="host">Where.</param>
    /// <param name="interfaceName"><c>black</c>, <c>red</c>, <c>any</c>, …</param>
    /// <param name="path">The file; one that ends in .pcap, for AppArmor's sake.</param>
    /// <param name="snapLength">Bytes kept of a packet; 0 is all.</param>
    /// <param name="filter">In tcpdump's language; empty takes all.</param>
    /// <param name="cancellationToken">Ends the waiting for the start.</param>
    public static async Task<LabCapture> StartAsync(LabHost host, string interfaceName, string path, int snapLength = 0, string filter = "", CancellationToken cancellationToken = default)
    {
        var listening = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // -Z root: it would become another user else, which takes the parent-death signal away. A packet at a time (-U,
        // --immediate-mode), with room for a burst (-B, in KiB).
        string[] arguments = ["-i", interfaceName, "-n", "-p", "-s", Text(snapLength), "-B", "16384", "-U", "--immediate-mode", "-Z", "root", "-w", path];
        LabProcess process = host.Start(new LabCommand("tcpdump", filter.Length == 0 ? arguments : [.. arguments, filter])
        {
            OnErrorLine = line =>
            {
                if (line.Contains("listening on", StringComparison.Ordinal))
                    listening.TrySetResult();
            },
        });
        Task ended = process.WaitAsync(cancellationToken);
        if (await Task.WhenAny(listening.Task, ended, Task.Delay(_startTimeout, cancellationToken)) == listening.Task)
            return new LabCapture(process, path);
        await process.DisposeAsync();
        cancellationToken.ThrowIfCancellationRequested();
        throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"tcpdump on {interfaceName} of {host.Name} did not start: {process.Error.Trim()}");
    }

    /// <summary>Waits until the file holds all that came up to now, and ends.</summary>
    public async Task StopAsync()
    {
        if (_process.HasExited)
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"tcpdump ended before it was stopped: {_process.Error.Trim()}");
        using var timeout = new CancellationTokenSource(_drainTimeout);
        // On SIGUSR1 it says how many it took and how many came; those in between are still in the ring, and SIGINT drops them.
        for (int asked = 1; ; asked++)
        {
            _process.Signal(SIGUSR1);
            while (Counts().Count(_process.Error) < asked)
                await Task.Delay(5, timeout.Token);
            Match last = Counts().Matches(_process.Error)[^1];
            if (Number(last, 1) >= Number(last, 2) - Number(last, 3))
                break;
            await Task.Delay(20, timeout.Token);
        }
        CommandResult result = await _process.StopAsync(Libc.SIGINT);
        result.EnsureSuccess();
        Match final = Counts().Matches(result.Error)[^1];
        Captured = Number(final, 1);
        Dropped = Number(final, 3);
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private static long Number(Match match, int group) => long.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>What it says on SIGUSR1 and at its end.</summary>
    [GeneratedRegex(@"(\d+) packets? captured\D+(\d+) packets? received by filter\D+(\d+) packets? dropped by kernel")]
    private static partial Regex Counts();
}
