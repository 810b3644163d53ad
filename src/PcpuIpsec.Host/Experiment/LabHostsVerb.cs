using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text.Json;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Lab;
using Wire = PcpuIpsec.Client;

namespace PcpuIpsec.Host.Experiment;

/// <summary><c>pcpu-ipsec lab-hosts</c>: the lab's hosts with a daemon at each gateway, for whatever is to be tried there.</summary>
internal static class LabHostsVerb
{
    public static Command Create()
    {
        ChoiceOption<DataPlaneKind> plane = ServeVerb.DataPlaneOption();
        var command = new Command("lab-hosts", "Make the lab's four hosts with a daemon at each gateway, say in one line of JSON where they are, and take them down when standard input ends") { plane };
        command.SetAction((result, _) => RunAsync(plane.Of(result)));
        return command;
    }

    private static async Task<int> RunAsync(DataPlaneKind plane)
    {
        using var stopping = new CancellationTokenSource();
        // A terminal interrupts all that it runs: whose input we end with decides for itself.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            stopping.Cancel();
        });
        try
        {
            await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions { CleanOnSignal = false }, stopping.Token);
            IReadOnlyList<int> cpus = HostCpus.Allowed();
            await using LabDaemon west = await LabDaemon.StartAsync(network.West, plane, cpus, tunnel: null, stopping.Token);
            await using LabDaemon east = await LabDaemon.StartAsync(network.East, plane, cpus, tunnel: null, stopping.Token);
            // The way that packets take without IPsec; the kernel's data plane needs it, too.
            network.AllowPlaintext();
            var lab = new Wire.Lab { Id = network.Id, Sunset = Describe(network.Sunset, null), West = Describe(network.West, west), East = Describe(network.East, east), Sunrise = Describe(network.Sunrise, null) };
            Console.WriteLine(JsonSerializer.Serialize(lab, WireJson.Default.Lab));
            await InputEndsAsync(stopping.Token);
            return 0;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return 0;
        }
        catch (PcpuIpsecException e)
        {
            await Console.Error.WriteLineAsync("pcpu-ipsec: " + e.Message);
            return 1;
        }
    }

    private static Wire.LabNode Describe(PcpuIpsec.Lab.LabHost host, LabDaemon? daemon) => new()
    {
        Namespace = host.Namespace.Name,
        Address = host.Address.ToString(),
        Network = host.Red.Network.ToString(),
        Socket = daemon?.Client.SocketPath,
    };

    private static async Task InputEndsAsync(CancellationToken cancellationToken)
    {
        await using Stream input = Console.OpenStandardInput();
        byte[] ignored = new byte[64];
        // A read from a terminal cannot be cancelled, only left behind.
        while (await input.ReadAsync(ignored, CancellationToken.None).AsTask().WaitAsync(cancellationToken) > 0)
        {
            // What is said there is nothing to us.
        }
    }
}
