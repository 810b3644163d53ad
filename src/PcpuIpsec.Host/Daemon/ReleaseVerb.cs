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
        ChoiceOption<DataPlaneKind> plane = ServeVerb.DataPlaneOption();
        var tunnel = new Option<string[]>("--tunnel") { Description = "Only this tunnel, declared or not; can be given several times", HelpName = "NAME" };
        var command = new Command("release", "Let the traffic of declared tunnels go unprotected that an ended or killed daemon still holds") { tunnels, plane, tunnel };
        command.SetAction((result, cancellation) => RunAsync(
            result.GetRequiredValue(tunnels), ServeVerb.IsDefault(result, tunnels), plane.Of(result), [.. (result.GetValue(tunnel) ?? []).Distinct()], result.InvocationConfiguration, cancellation));
        return command;
    }

    private static async Task<int> RunAsync(string path, bool isDefault, DataPlaneKind plane, string[] names, InvocationConfiguration console, CancellationToken cancellation)
    {
        try
        {
            // What a program of its own left held is let go on a host that never had a daemon.
            TunnelFolder? folder = isDefault && names.Length > 0 && !Directory.Exists(path) ? null : new TunnelFolder(path);
            using IDisposable? ours = folder?.Lock();
            using IDisposable alone = NamespaceLock.Take();
            IReadOnlyList<TunnelDefinition> declared = folder?.Read() ?? [];
            // One that is declared no more may be held still.
            string[] wanted = names.Length > 0 ? names : [.. declared.Select(t => t.Name)];
            if (wanted.Length == 0)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--tunnels = '{path}' declares no tunnel; allowed is also --tunnel with the name of one that was.");
            // Nothing is negotiated: it takes no key.
            using Secret none = Secret.CopyOf([]);
            TunnelOptions[] known = [.. declared.Where(t => wanted.Contains(t.Name)).Select(t => TunnelMapping.ToOptions(t, none))];
            IReadOnlyList<string> released = await IpsecGateway.ReleaseAsync(new GatewayOptions { DataPlane = plane, Tunnels = known }, wanted, cancellation);
            foreach (string name in wanted)
                await console.Output.WriteLineAsync(released.Contains(name) ? $"{name}: its traffic is not held any more." : $"{name}: nothing was held under this name in this network namespace.");
            return released.Count == wanted.Length ? 0 : 1;
        }
        catch (PcpuIpsecException e)
        {
            await console.Error.WriteLineAsync("pcpu-ipsec: " + e.Message);
            return 1;
        }
    }
}
