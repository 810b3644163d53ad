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
            if (configuration.Tunnels.Count == 0)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--config = '{path}' has no tunnels.");
            if (names.Length > 0)
                configuration = configuration with { Tunnels = [.. configuration.Tunnels.Where(t => names.Contains(t.Name))] };
            // Taking a hold over and removing its tunnel is the one way in which protection ends.
            await using IpsecGateway gateway = await configuration.StartAsync(StartAction.Wait, LoggerFactory.Create(_ => { }), cancellation);
            var wasHeld = new HashSet<string>();
            await foreach (GatewayEvent e in gateway.Events.WithCancellation(cancellation))
            {
                if (e.Kind == GatewayEventKind.TunnelAdded && e.Message.Contains(IpsecGateway.WasHeld, StringComparison.Ordinal))
                    wasHeld.Add(e.Tunnel);
                if (e.Kind == GatewayEventKind.TunnelAdded && e.Tunnel == configuration.Tunnels[^1].Name)
                    break;
            }
            foreach (TunnelConfiguration tunnel in configuration.Tunnels)
            {
                await gateway.RemoveTunnelAsync(tunnel.Name, cancellation);
                Console.WriteLine(wasHeld.Contains(tunnel.Name)
                    ? $"{tunnel.Name}: its traffic is not held any more."
                    : $"{tunnel.Name}: nothing was held under this name in this network namespace.");
            }
            return wasHeld.Count == configuration.Tunnels.Count ? 0 : 1;
        }
        catch (PcpuIpsecException e)
        {
            await Console.Error.WriteLineAsync("pcpu-ipsec: " + e.Message);
            return 1;
        }
    }
}
