using System.CommandLine;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary><c>pcpu-ipsec release</c>: lets go the traffic that a daemon left held when it ended or was killed.</summary>
internal static class ReleaseVerb
{
    public static Command Create()
    {
        Option<string> tunnels = ServeVerb.TunnelsOption();
        Option<DataPlaneKind> plane = ServeVerb.DataPlaneOption();
        var tunnel = new Option<string[]>("--tunnel") { Description = "Only this tunnel; can be given several times", HelpName = "NAME" };
        var command = new Command("release", "Let the traffic of declared tunnels go unprotected that an ended or killed daemon still holds") { tunnels, plane, tunnel };
        command.SetAction((result, cancellation) => RunAsync(result.GetRequiredValue(tunnels), result.GetValue(plane), result.GetValue(tunnel) ?? [], cancellation));
        return command;
    }

    private static async Task<int> RunAsync(string path, DataPlaneKind plane, string[] names, CancellationToken cancellation)
    {
        try
        {
            var folder = new TunnelFolder(path);
            using IDisposable ours = folder.Lock();
            IReadOnlyList<TunnelDefinition> declared = folder.Read();
            if (names.Except(declared.Select(t => t.Name)).FirstOrDefault() is { } unknown)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--tunnel = '{unknown}': allowed are {string.Join(", ", declared.Select(t => t.Name))}.");
            if (declared.Count == 0)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--tunnels = '{path}' declares no tunnel.");
            // Nothing is negotiated: it takes no key.
            using Secret none = Secret.CopyOf([]);
            TunnelOptions[] wanted = [.. declared.Where(t => names.Length == 0 || names.Contains(t.Name)).Select(t => TunnelMapping.ToOptions(t, none))];
            IReadOnlyList<string> released = await IpsecGateway.ReleaseAsync(new GatewayOptions { DataPlane = plane, Tunnels = wanted }, cancellation);
            foreach (TunnelOptions tunnel in wanted)
            {
                Console.WriteLine(released.Contains(tunnel.Name)
                    ? $"{tunnel.Name}: its traffic is not held any more."
                    : $"{tunnel.Name}: nothing was held under this name in this network namespace.");
            }
            return released.Count == wanted.Length ? 0 : 1;
        }
        catch (PcpuIpsecException e)
        {
            await Console.Error.WriteLineAsync("pcpu-ipsec: " + e.Message);
            return 1;
        }
    }
}
