using System.CommandLine;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Control;

/// <summary><c>pcpu-ipsec release</c>: lets go the traffic that a gateway left held when it ended or was killed.</summary>
internal static class ReleaseVerb
{
    public static Command Create()
    {
        Option<string> config = ConfigurationFile.Option("The JSON configuration that the gateway ran with", "FILE");
        var tunnel = new Option<string[]>("--tunnel") { Description = "Only this tunnel; can be given several times", HelpName = "NAME" };
        var command = new Command("release", "Let the traffic of tunnels go unprotected that an ended or killed gateway still holds") { config, tunnel };
        command.SetAction((result, cancellation) => RunAsync(result.GetRequiredValue(config), result.GetValue(tunnel) ?? [], cancellation));
        return command;
    }

    private static async Task<int> RunAsync(string path, string[] names, CancellationToken cancellation)
    {
        try
        {
            GatewayConfiguration configuration = ConfigurationFile.Read(path);
            if (names.Except(configuration.Tunnels.Select(t => t.Name)).FirstOrDefault() is { } unknown)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--tunnel = '{unknown}': allowed are {string.Join(", ", configuration.Tunnels.Select(t => t.Name))}.");
            if (names.Length > 0)
                configuration = configuration with { Tunnels = [.. configuration.Tunnels.Where(t => names.Contains(t.Name))] };
            // Taking a hold over and removing its tunnel is the one way in which protection ends.
            await using IpsecGateway gateway = await configuration.StartAsync(StartAction.Wait, LoggerFactory.Create(_ => { }), cancellation);
            foreach (TunnelConfiguration tunnel in configuration.Tunnels)
            {
                await gateway.RemoveTunnelAsync(tunnel.Name, cancellation);
                Console.WriteLine($"{tunnel.Name}: its traffic is not held any more.");
            }
            return 0;
        }
        catch (PcpuIpsecException e)
        {
            await Console.Error.WriteLineAsync("pcpu-ipsec: " + e.Message);
            return 1;
        }
    }
}
