using System.CommandLine;
using System.Runtime.InteropServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary><c>pcpu-ipsec serve</c>: the daemon.</summary>
internal static class ServeVerb
{
    private const string DefaultTunnelsFolder = "/etc/pcpu-ipsec/tunnels.d";

    public static Option<string> TunnelsOption()
        => new("--tunnels") { Description = "The folder of declared tunnels; one that is named must be there", HelpName = "FOLDER", DefaultValueFactory = _ => DefaultTunnelsFolder };

    /// <summary>Whether nobody named another folder.</summary>
    public static bool IsDefault(ParseResult result, Option<string> tunnels) => result.GetResult(tunnels) is null or { Implicit: true };

    public static ChoiceOption<DataPlaneKind> DataPlaneOption() => new("--data-plane", "What carries the packets", DataPlaneKind.Auto);

    public static Command Create()
    {
        var socket = new Option<string>("--socket") { Description = "Where it listens", HelpName = "PATH", DefaultValueFactory = _ => DaemonClient.DefaultSocketPath };
        var group = new Option<string?>("--group") { Description = "The group that may use the socket beside root. Default: none", HelpName = "NAME" };
        Option<string> tunnels = TunnelsOption();
        ChoiceOption<DataPlaneKind> plane = DataPlaneOption();
        var cpus = new Option<string?>("--cpus") { Description = "The CPUs that the data plane works on, such as 0-3,8. Default: all that it can", HelpName = "LIST" };
        var steer = new Option<bool>("--steer-by-flow") { Description = "Choose the SA by the flow and not by the CPU that sends (embedded data plane). Default: by the CPU" };
        var onStop = new ChoiceOption<StopAction>("--on-stop", "What becomes of the tunnels' traffic when the daemon stops: it stays held, goes unprotected, or goes unprotected and the folder of declared tunnels is removed with its keys", StopAction.Hold);
        var untilInputEnds = new Option<bool>("--until-input-ends") { Description = "End when standard input does, and not on Ctrl-C, and make the folder where it is not there: for a daemon of another program's own" };
        var log = new ChoiceOption<LogLevel>("--log", "From which level on is logged to standard error", LogLevel.Information);
        var command = new Command("serve", "Run the daemon: tunnels that stay, and an API on a Unix socket") { socket, group, tunnels, plane, cpus, steer, onStop, untilInputEnds, log };
        command.SetAction((result, _) => RunAsync(
            () => new DaemonOptions
            {
                SocketPath = result.GetRequiredValue(socket),
                Group = result.GetValue(group),
                TunnelsFolder = result.GetRequiredValue(tunnels),
                // Whoever names a folder has one; a program makes its daemon's as it makes the daemon.
                MakeTunnelsFolder = IsDefault(result, tunnels) || result.GetValue(untilInputEnds),
                DataPlane = plane.Of(result),
                Cpus = result.GetValue(cpus) is { } list ? CpuList.Parse(list, "--cpus") : null,
                SteerByFlow = result.GetValue(steer),
                OnStop = onStop.Of(result) is var stop && stop == StopAction.Forget && (!result.GetValue(untilInputEnds) || IsDefault(result, tunnels))
                    ? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "--on-stop: 'forget' removes the folder of declared tunnels; allowed with --until-input-ends and --tunnels alone")
                    : stop,
                Input = result.GetValue(untilInputEnds) ? Console.OpenStandardInput() : null,
            },
            log.Of(result),
            result.InvocationConfiguration.Error));
        return command;
    }

    private static async Task<int> RunAsync(Func<DaemonOptions> options, LogLevel level, TextWriter error)
    {
        using var stopping = new CancellationTokenSource();
        DaemonOptions? daemon = null;
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            // A terminal interrupts all that it runs; whose input we end with decides for itself.
            if (context.Signal is not (PosixSignal.SIGINT or PosixSignal.SIGQUIT) || daemon?.Input is null)
                stopping.Cancel();
        }
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var quit = PosixSignalRegistration.Create(PosixSignal.SIGQUIT, Stop);
        // One that comes before the folder is read, or once the daemon stops, asks for nothing, and must not end it.
        using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, static context => context.Cancel = true);
        using ILoggerFactory loggers = LoggerFactory.Create(logging =>
        {
            logging.SetMinimumLevel(level).AddFilter("Microsoft", LogLevel.Warning);
            // The journal reads priorities from the beginnings of lines.
            if (Environment.GetEnvironmentVariable("JOURNAL_STREAM") is null)
                logging.AddSimpleConsole(console => (console.SingleLine, console.ColorBehavior) = (true, LoggerColorBehavior.Disabled));
            else
                logging.AddSystemdConsole();
            logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        });
        try
        {
            daemon = options();
            return await new DaemonProcess(daemon, loggers).RunAsync(stopping.Token);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Asked to stop before it had started.
            return 0;
        }
        catch (PcpuIpsecException e)
        {
            await error.WriteLineAsync("pcpu-ipsec: " + e.Message);
            return 1;
        }
    }
}
