namespace PcpuIpsec.Lab;

/// <summary>A program to be run in a lab host.</summary>
/// <param name="FileName">A path, or a name to be looked up in PATH.</param>
/// <param name="Arguments">Passed as they are: no shell is in between.</param>
internal sealed record LabCommand(string FileName, params IReadOnlyList<string> Arguments)
{
    /// <summary>Added to what it inherits.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The CPUs that it may run on; empty is all. One pins it.</summary>
    public IReadOnlyList<int> Cpus { get; init; } = [];

    /// <summary>Called with each line of standard output as it comes, on a pool thread.</summary>
    public Action<string>? OnOutputLine { get; init; }

    /// <summary>Called with each line of standard error.</summary>
    public Action<string>? OnErrorLine { get; init; }

    public string? WorkingDirectory { get; init; }

    public override string ToString() => Arguments.Count == 0 ? FileName : $"{FileName} {string.Join(' ', Arguments)}";
}

/// <summary>How a program ended and what it wrote.</summary>
/// <param name="Command">What was run.</param>
/// <param name="ExitCode">Its exit code; 128 + signal where one killed it.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record CommandResult(string Command, int ExitCode, string Output, string Error)
{
    /// <summary>This result, where the exit code is 0.</summary>
    /// <exception cref="PcpuIpsecException">It is another; the message holds what the program said.</exception>
    public CommandResult EnsureSuccess()
    {
        if (ExitCode == 0)
            return this;
        string said = Error.Trim() is { Length: > 0 } error ? error : Output.Trim();
        throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"'{Command}' ended with exit code {ExitCode}: {said}");
    }
}
