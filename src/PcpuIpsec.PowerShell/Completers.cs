using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>Completes the names of tunnels.</summary>
public sealed class TunnelNameCompleter : IArgumentCompleter
{
    // Longer than this and whoever typed has gone on.
    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(1);

    /// <summary>Tunnels whose name begins with what was typed.</summary>
    /// <param name="commandName">The command.</param>
    /// <param name="parameterName">The parameter.</param>
    /// <param name="wordToComplete">What was typed.</param>
    /// <param name="commandAst">The command as it was typed.</param>
    /// <param name="fakeBoundParameters">The parameters so far.</param>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        ArgumentNullException.ThrowIfNull(fakeBoundParameters);
        return Names(fakeBoundParameters["Socket"] as string).Where(n => n.StartsWith(wordToComplete ?? "", StringComparison.OrdinalIgnoreCase)).Select(n => new CompletionResult(n));
    }

    private static IEnumerable<string> Names(string? given)
    {
        if (DaemonSession.FindSocket(given) is not { } socket)
            return [];
        using var limit = new CancellationTokenSource(_limit);
        try
        {
            return DaemonSession.ClientOf(socket).GetTunnelsAsync(limit.Token).GetAwaiter().GetResult().Select(t => t.Name);
        }
        catch (Exception e) when (e is DaemonException or OperationCanceledException)
        {
            // Completion is a help, and an error in the middle of a line none.
            return [];
        }
    }
}

/// <summary>Completes suites by keyword.</summary>
public sealed class SuiteCompleter : IArgumentCompleter
{
    private static readonly string[] _ike = ["aes128gcm16-sha256-x25519", "aes256gcm16-sha384-ecp384", "aes256gcm16-sha512-x448", "chacha20poly1305-sha256-x25519", "aes256-sha256-modp3072"];
    private static readonly string[] _esp = ["aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128gcm16-x25519", "aes256gcm16-ecp384", "aes256-sha256"];

    /// <summary>Usual suites that begin with what was typed.</summary>
    /// <param name="commandName">The command.</param>
    /// <param name="parameterName">The parameter.</param>
    /// <param name="wordToComplete">What was typed.</param>
    /// <param name="commandAst">The command as it was typed.</param>
    /// <param name="fakeBoundParameters">The parameters so far.</param>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
        => (parameterName == "IkeSuite" ? _ike : _esp).Where(s => s.StartsWith(wordToComplete ?? "", StringComparison.OrdinalIgnoreCase)).Select(s => new CompletionResult(s));
}
