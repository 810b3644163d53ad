using System.CommandLine;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Host.Experiment;

namespace PcpuIpsec.Host;

internal static class Program
{
    private static Task<int> Main(string[] args) => RunAsync(args, Console.Out, Console.Error);

    internal static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error)
    {
        var root = new RootCommand("IPsec with one Child SA per CPU (RFC 9611)") { ServeVerb.Create(), LabVerb.Create(), LabHostsVerb.Create(), ReleaseVerb.Create() };
        string verbs = string.Join(", ", root.Subcommands.Select(c => c.Name));
        // As people ask other programs.
        if (args is ["help", .. var about])
            args = [.. about, "--help"];
        if (args.Length == 0)
            return await RefuseAsync(error, "", $"a verb is missing; allowed are {verbs}.");
        if (!args[0].StartsWith('-') && root.Subcommands.All(c => c.Name != args[0]))
            return await RefuseAsync(error, "", $"'{args[0]}' is no verb; allowed are {verbs}.");
        ParseResult result = root.Parse(args);
        if (result.Errors.Count > 0)
            return await RefuseAsync(error, root.Subcommands.Contains(result.CommandResult.Command) ? args[0] : "", [.. result.Errors.Select(e => e.Message).Distinct()]);
        // The verbs handle signals themselves: what they made must be gone before the process is.
        return await result.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null, Output = output, Error = error });
    }

    private static async Task<int> RefuseAsync(TextWriter error, string verb, params string[] faults)
    {
        foreach (string fault in faults)
            await error.WriteLineAsync("pcpu-ipsec: " + fault);
        await error.WriteLineAsync($"pcpu-ipsec: see pcpu-ipsec {verb}{(verb.Length > 0 ? " " : "")}--help");
        return 1;
    }
}
