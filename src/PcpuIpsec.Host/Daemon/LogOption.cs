using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.Extensions.Logging;

namespace PcpuIpsec.Host.Daemon;

/// <summary><c>--log LEVEL</c>.</summary>
internal static class LogOption
{
    public static Option<LogLevel> Create(LogLevel defaultLevel) => new("--log")
    {
        Description = "What is logged to standard error",
        HelpName = "LEVEL",
        DefaultValueFactory = _ => defaultLevel,
        CustomParser = Parse,
    };

    private static LogLevel Parse(ArgumentResult result)
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        LogLevel[] levels = Enum.GetValues<LogLevel>();
        foreach (LogLevel level in levels)
        {
            if (level.ToString().Equals(text, StringComparison.OrdinalIgnoreCase))
                return level;
        }
        result.AddError($"--log = '{text}': allowed are {string.Join(", ", levels).ToLowerInvariant()}.");
        return LogLevel.Warning;
    }
}
