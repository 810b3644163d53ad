using System.CommandLine;
using System.Runtime.InteropServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace PcpuIpsec.Host.Control;

/// <summary><c>pcpu-ipsec gateway</c>: one gateway in this process and its network namespace.</summary>
internal static class GatewayVerb
{
    public static Command Create()
    {
        Option<string> config = ConfigurationFile.Option(
            "JSON configuration: a file that only its owner can read (0600 or 0400), or - for the first line of standard input", "FILE|-");
        Option<LogLevel> log = LogOption.Create(LogLevel.Warning);
        var command = new Command("gateway", "Run one gateway that speaks JSON lines on standard input and output; ends with its input") { config, log };
        command.SetAction((result, _) => RunAsync(result.GetRequiredValue(config), result.GetValue(log)));
        return command;
    }

    private static async Task<int> RunAsync(string path, LogLevel level)
    {
        using var stopping = new CancellationTokenSource();
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stopping.Cancel();
        }
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);

        GatewayConfiguration? configuration;
        try
        {
            configuration = path == "-" ? null : ConfigurationFile.Read(path);
        }
        catch (PcpuIpsecException e)
        {
            await Console.Error.WriteLineAsync("pcpu-ipsec: " + e.Message);
            return 1;
        }
        using ILoggerFactory loggers = LoggerFactory.Create(logging => logging
            .SetMinimumLevel(level)
            .AddSimpleConsole(console => (console.SingleLine, console.ColorBehavior) = (true, LoggerColorBehavior.Disabled))
            // Standard output is the control channel's.
            .Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        await using Stream input = Console.OpenStandardInput(), output = Console.OpenStandardOutput();
        return await new ControlChannel(input, output, loggers).RunAsync(configuration, stopping.Token);
    }
}
