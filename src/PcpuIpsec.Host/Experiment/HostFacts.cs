using System.Runtime.InteropServices;
using PcpuIpsec.Lab;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Host.Experiment;

/// <summary>What the machine is and what runs the tests, as far as it bears on the numbers.</summary>
internal static class HostFacts
{
    private static readonly string[] _settings =
    [
        "net.ipv4.tcp_congestion_control", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.core.rmem_default", "net.core.rmem_max", "net.core.wmem_max", "net.core.netdev_max_backlog",
    ];

    public static async Task<HostResult> ReadAsync(LabNetwork network, CancellationToken cancellationToken)
    {
        var tools = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["dotnet"] = RuntimeInformation.FrameworkDescription,
            ["iperf3"] = await FirstLineAsync("iperf3", "--version"),
            ["iproute2"] = await FirstLineAsync("ip", "-V"),
            ["ping"] = await FirstLineAsync("ping", "-V"),
        };
        var settings = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in _settings)
        {
            // Some of these are the host's alone on some kernels, and not to be seen in a namespace.
            string path = "/proc/sys/" + name.Replace('.', '/');
            string? value = network.West.Namespace.Run(() => File.Exists(path) ? File.ReadAllText(path) : null);
            value ??= File.Exists(path) ? await File.ReadAllTextAsync(path, cancellationToken) : null;
            if (value is not null)
                settings[name] = value.Trim().Replace('\t', ' ');
        }
        return new HostResult(HostCpus.KernelRelease(), RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant(), HostCpus.ModelName(),
            CpuList.Format(HostCpus.Online()), HostCpus.MemoryBytes(), tools, settings);

        async Task<string> FirstLineAsync(string program, string option)
        {
            CommandResult result = (await network.Sunset.RunAsync(new LabCommand(program, option), cancellationToken)).EnsureSuccess();
            return result.Output.Split('\n')[0].Trim();
        }
    }
}
