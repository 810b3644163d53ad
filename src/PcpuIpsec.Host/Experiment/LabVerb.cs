using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Runtime.InteropServices;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Ike;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Host.Experiment;

/// <summary><c>pcpu-ipsec lab</c>: the options, and what their wrong values are answered with.</summary>
internal static class LabVerb
{
    public static Command Create() => Create(HostCpus.Allowed, RunAsync);

    /// <summary>The command over another host's CPUs and with another action, for tests.</summary>
    internal static Command Create(Func<IReadOnlyList<int>> allowedCpus, Func<LabSettings, Task<int>> run)
    {
        var cpus = new Option<int?>("--cpus") { Description = "CPUs with a Child SA and a flow each. Default: all", HelpName = "N" };
        cpus.CustomParser = result => Number(result, "--cpus", 1, allowedCpus().Count, "the CPUs that are online here and that this process may use");
        ChoiceOption<DataPlaneKind> dataPlane = ServeVerb.DataPlaneOption();
        var mode = new ChoiceOption<IpsecMode>("--mode", "Between the hosts behind the gateways, or between the gateways themselves", IpsecMode.Tunnel);
        var encap = new Option<bool>("--encap") { Description = "ESP in UDP (RFC 3948)" };
        var proto = new ChoiceOption<TrafficProtocol>("--proto", "What the flows are", TrafficProtocol.Tcp);
        var seconds = new Option<int?>("--seconds") { Description = "Length of each run, 1 to 3600. Default: 5", HelpName = "S" };
        seconds.CustomParser = result => Number(result, "--seconds", 1, 3600, null);
        var repeat = new Option<int?>("--repeat") { Description = "Repetitions of each run, for confidence intervals, 1 to 100. Default: 1", HelpName = "R" };
        repeat.CustomParser = result => Number(result, "--repeat", 1, 100, null);
        var output = new Option<string>("--out") { Description = "Where results.json and chart.svg go", HelpName = "DIR", DefaultValueFactory = _ => "./lab-results" };

        var command = new Command("lab", "Two gateways, one Child SA per CPU, real traffic in network namespaces, measured") { cpus, dataPlane, mode, encap, proto, seconds, repeat, output };
        command.SetAction((result, _) =>
        {
            IReadOnlyList<int> allowed = allowedCpus();
            return run(new LabSettings
            {
                Cpus = [.. allowed.Take(result.GetValue(cpus) ?? allowed.Count)],
                DataPlane = dataPlane.Of(result),
                Mode = mode.Of(result),
                Encapsulation = result.GetValue(encap),
                Protocol = proto.Of(result),
                Seconds = result.GetValue(seconds) ?? 5,
                Repeat = result.GetValue(repeat) ?? 1,
                OutputDirectory = result.GetValue(output)!,
            });
        });
        return command;
    }

    private static async Task<int> RunAsync(LabSettings settings)
    {
        int signal = 0;
        using var stopping = new CancellationTokenSource();
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            if (Interlocked.CompareExchange(ref signal, Signal(context.Signal), 0) == 0)
            {
                Console.Error.WriteLine("pcpu-ipsec: stopping, and taking the lab down.");
                stopping.Cancel();
            }
        }
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        try
        {
            await new LabRunner(settings, LabOutput.ForConsole()).RunAsync(stopping.Token);
            return 0;
        }
        catch (Exception) when (signal != 0)
        {
            // Whatever broke, broke because everything is being stopped.
            return 128 + signal;
        }
        catch (PcpuIpsecException e)
        {
            await Console.Error.WriteLineAsync("pcpu-ipsec: " + e.Message);
            return 1;
        }
    }

    private static int Signal(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => 1,
        PosixSignal.SIGINT => 2,
        _ => 15,
    };

    private static int? Number(ArgumentResult result, string option, int least, int most, string? why)
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most)
            return number;
        result.AddError($"{option} = '{text}': allowed are {least} to {most}{(why is null ? "" : $" ({why})")}.");
        return null;
    }
}
