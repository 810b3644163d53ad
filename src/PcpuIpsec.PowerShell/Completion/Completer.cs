using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using System.Text.Json;
using System.Text.RegularExpressions;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell.Completion;

/// <summary>A value that can be typed, and what is known of it.</summary>
internal readonly record struct Candidate(string Value, string? Tip = null);

/// <summary>
/// Completes a parameter's value while somebody types: a help, and an error in the middle of a line is none. So it starts no
/// daemon, throws nothing, and takes a second at most.
/// </summary>
internal abstract partial class Completer : IArgumentCompleter
{
    // Longer than this and whoever typed has gone on.
    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(1);

    // The shell tells completers nothing of its folder, and its session's state is shut while it completes.
    private static readonly ScriptBlock _resolve = ScriptBlock.Create("$ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($args[0])");

    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        // A quote that was typed comes along, and none is needed.
        string typed = (wordToComplete ?? "").Trim('\'', '"');
        return [.. Candidates(parameterName, fakeBoundParameters)
            .Where(c => c.Value.StartsWith(typed, StringComparison.OrdinalIgnoreCase) && c.Value.Length > 0 && !c.Value.Any(char.IsControl))
            .Select(c => new CompletionResult(Text(c.Value), c.Value, CompletionResultType.ParameterValue, c.Tip ?? c.Value))];
    }

    /// <summary>
    /// As it is typed: others choose names, of interfaces in a namespace say, in which the shell would find commands.
    /// </summary>
    private static string Text(string value) => Plain().IsMatch(value) ? value : "'" + CodeGeneration.EscapeSingleQuotedStringContent(value) + "'";

    [GeneratedRegex(@"^[A-Za-z0-9_.:/][A-Za-z0-9_.:/+-]*\z")]
    private static partial Regex Plain();

    /// <param name="parameter">The parameter whose value is typed.</param>
    /// <param name="bound">The other parameters, as far as they were typed.</param>
    protected abstract IEnumerable<Candidate> Candidates(string parameter, IDictionary bound);

    protected static string? FindSocket(IDictionary bound) => DaemonSession.FindSocket(PathOf(bound["Socket"]));

    /// <summary>A path as the cmdlet will take it: from the shell's folder, with its drives and ~.</summary>
    protected static string? PathOf(object? typed)
    {
        if (typed is not string path)
            return null;
        try
        {
            return _resolve.Invoke(path)[0].BaseObject as string;
        }
        catch (RuntimeException)
        {
            // No drive by that name: nothing is there.
            return path;
        }
    }

    /// <summary>Asks a daemon that runs; false where it does not answer in time, or fails.</summary>
    protected static bool TryAsk<T>(string socket, Func<DaemonClient, CancellationToken, Task<T>> ask, out T answer)
    {
        using var limit = new CancellationTokenSource(_limit);
        try
        {
            answer = ask(DaemonSession.ClientOf(socket), limit.Token).GetAwaiter().GetResult();
            return true;
        }
        catch (Exception e) when (e is DaemonException or OperationCanceledException or ObjectDisposedException or JsonException or ArgumentException)
        {
            answer = default!;
            return false;
        }
    }
}
