using System.Text.Json;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Options as the command line has them: <c>--steer-by-flow</c>.</summary>
internal sealed class CommandLineWords : OptionWords
{
    private CommandLineWords()
    {
    }

    public static CommandLineWords Instance { get; } = new();

    public override string Name(string path) => "--" + JsonNamingPolicy.KebabCaseLower.ConvertName(path);

    public override string Value(object? value) => value is bool flag ? (flag ? "true" : "false") : base.Value(value);
}
