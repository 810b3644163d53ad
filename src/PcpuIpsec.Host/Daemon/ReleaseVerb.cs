using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
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
            using var keeper = new TunnelKeeper(new TunnelFolder(path), KeySource.OfEnvironment());
            // Taking a hold over and removing its tunnel is the one way in which protection ends.
            await keeper.OpenAsync(declared => StartAsync(declared, plane, path, names, cancellation));
            await using IpsecGateway gateway = keeper.Gateway;
            string[] held = [.. (await gateway.GetStatusAsync(cancellation)).Tunnels.Select(t => t.Name)];
            var wasHeld = new HashSet<string>();
            await foreach (GatewayEvent e in gateway.Events.WithCancellation(cancellation))
            {
                if (e.Kind == GatewayEventKind.TunnelAdded && e.Message.Contains(IpsecGateway.WasHeld, StringComparison.Ordinal))
                    wasHeld.Add(e.Tunnel);
                if (e.Kind == GatewayEventKind.TunnelAdded && e.Tunnel == held[^1])
                    break;
            }
            foreach (string name in held)
            {
                await gateway.RemoveTunnelAsync(name, cancellation);
                Console.WriteLine(wasHeld.Contains(name)
                    ? $"{name}: its traffic is not held any more."
                    : $"{name}: nothing was held under this name in this network namespace.");
            }
            return wasHeld.Count == held.Length ? 0 : 1;
        }
        catch (PcpuIpsecException e)
        {
            await Console.Error.WriteLineAsync("pcpu-ipsec: " + e.Message);
            return 1;
        }
    }

    private static Task<IpsecGateway> StartAsync(IReadOnlyList<TunnelOptions> declared, DataPlaneKind plane, string path, string[] names, CancellationToken cancellation)
    {
        if (names.Except(declared.Select(t => t.Name)).FirstOrDefault() is { } unknown)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--tunnel = '{unknown}': allowed are {string.Join(", ", declared.Select(t => t.Name))}.");
        if (declared.Count == 0)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--tunnels = '{path}' declares no tunnel.");
        return IpsecGateway.StartAsync(
            new GatewayOptions
            {
                DataPlane = plane,
                LoggerFactory = NullLoggerFactory.Instance,
                Tunnels = [.. declared.Where(t => names.Length == 0 || names.Contains(t.Name)).Select(t => t with { StartAction = StartAction.Wait })],
            },
            cancellation);
    }
}
