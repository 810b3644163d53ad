using System.CommandLine;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Host.Experiment;

namespace PcpuIpsec.Host;

internal static class Program
{
    private static Task<int> Main(string[] args) => RunAsync(args);

    internal static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("IPsec with one Child SA per CPU (RFC 9611)") { ServeVerb.Create(), LabVerb.Create(), LabHostsVerb.Create(), ReleaseVerb.Create() };
        if (args.Length == 0)
        {
            await Console.Error.WriteLineAsync("pcpu-ipsec: a verb is missing: serve, lab, lab-hosts or release; pcpu-ipsec --help tells more.");
            return 1;
        }
        ParseResult result = root.Parse(args);
        if (result.Errors.Count > 0)
        {
            foreach (string message in result.Errors.Select(e => e.Message).Distinct())
                await Console.Error.WriteLineAsync("pcpu-ipsec: " + message);
            return 1;
        }
        // The verbs handle signals themselves: what they made must be gone before the process is.
        return await result.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }
}
