namespace PcpuIpsec.Host.Experiment;

/// <summary>How this program starts itself again.</summary>
internal static class HostProgram
{
    /// <summary>The file and arguments that run a verb: through <c>dotnet</c> where that runs us, since the launcher may not find it.</summary>
    public static (string File, IReadOnlyList<string> Arguments) Command(params IReadOnlyList<string> arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "pcpu-ipsec");
        string? running = Environment.ProcessPath;
        return Path.GetFileNameWithoutExtension(running) == "dotnet" || !File.Exists(program)
            ? (running ?? "dotnet", ["exec", program + ".dll", .. arguments])
            : (program, arguments);
    }
}
