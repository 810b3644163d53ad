using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>A pcpu-ipsec of this session's own. It ends when its standard input does, so also where the session is killed.</summary>
internal sealed partial class SessionProgram : IDisposable
{
    private const string Program = "pcpu-ipsec";

    // The last ones, of a session that does not look.
    private const int LinesAtMost = 100;
    private static readonly TimeSpan _stopTimeout = TimeSpan.FromSeconds(15), _finishTimeout = TimeSpan.FromSeconds(60);

    // Of a service that the session is part of, and this program is not.
    private static readonly string[] _serviceVariables = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"];

    private readonly Process _process;
    private readonly Queue<string> _said = new();

    /// <param name="what">What is started, for people.</param>
    /// <param name="arguments">The verb and its options.</param>
    public SessionProgram(string what, IEnumerable<string> arguments)
    {
        CheckRoot(what);
        string program = Find(what);
        // A gallery's packages carry no modes.
        if (program.StartsWith(ModuleFolder, StringComparison.Ordinal) && (File.GetUnixFileMode(program) & UnixFileMode.UserExecute) == 0)
            File.SetUnixFileMode(program, File.GetUnixFileMode(program) | UnixFileMode.UserExecute);
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string variable in _serviceVariables)
            start.Environment.Remove(variable);
        try
        {
            _process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new DaemonException(DaemonException.Unreachable, $"{what} could not be started: {e.Message}", e);
        }
        _process.ErrorDataReceived += (_, e) =>
        {
            if (string.IsNullOrWhiteSpace(e.Data))
                return;
            lock (_said)
            {
                _said.Enqueue(LogPrefix().Replace(e.Data, ""));
                if (_said.Count > LinesAtMost)
                    _said.Dequeue();
            }
        };
        _process.BeginErrorReadLine();
    }

    private static string ModuleFolder { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(SessionProgram).Assembly.Location)!, ".."));

    public bool HasExited => _process.HasExited;

    /// <summary>What it wrote to standard error and nobody has taken yet.</summary>
    public string Said => string.Join('\n', TakeSaid());

    /// <summary>What one that has ended said at its end, or how it ended.</summary>
    public string LastWords()
    {
        // Without a limit: then all is read.
        _process.WaitForExit();
        return Said is { Length: > 0 } said ? said : $"it said nothing, and its exit code was {_process.ExitCode}.";
    }

    /// <summary>The lines of it.</summary>
    public IReadOnlyList<string> TakeSaid()
    {
        lock (_said)
        {
            string[] lines = [.. _said];
            _said.Clear();
            return lines;
        }
    }

    /// <exception cref="DaemonException">This session is not root's.</exception>
    public static void CheckRoot(string what)
    {
        if (!Environment.IsPrivilegedProcess)
            throw new DaemonException(DaemonException.Unreachable, $"{what} needs root: sudo pwsh.");
    }

    /// <summary>The command that lets go what is held by tunnels of a folder, with the program's path: in PATH it need not be.</summary>
    public static string ReleaseCommand(string tunnels) => $"{Find("To let traffic go")} release --tunnels {tunnels}";

    /// <summary>The next line of its standard output; null at its end.</summary>
    public ValueTask<string?> ReadLineAsync(CancellationToken cancellationToken) => _process.StandardOutput.ReadLineAsync(cancellationToken);

    public void Dispose()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before us.
        }
        if (!_process.WaitForExit(_stopTimeout))
            Kill();
        _process.Dispose();
    }

    /// <summary>Ends it without a word, and is back when it has ended: what it held stays held.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Lets one that needs no more run to its end, which takes a while at most.</summary>
    /// <returns>Why it failed; nothing where it did not.</returns>
    public string Finish()
    {
        // Nobody reads it, but it must not wait for that.
        _process.BeginOutputReadLine();
        bool ended = _process.WaitForExit(_finishTimeout);
        if (!ended)
            Kill();
        return _process.ExitCode == 0 ? "" : ended ? LastWords() : $"it did not end within {_finishTimeout.TotalSeconds:0} s. {LastWords()}";
    }

    // What logs and with which level, before what it says.
    [GeneratedRegex(@"^\w+: [\w.]+\[\d+\] ")]
    private static partial Regex LogPrefix();

    /// <summary>The module's own, else the one that the host has.</summary>
    private static string Find(string what)
    {
        string[] folders = [Path.Combine(ModuleFolder, "bin"), "/usr/lib/pcpu-ipsec", .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)];
        return folders.Select(f => Path.GetFullPath(Path.Combine(f, Program))).FirstOrDefault(File.Exists)
            ?? throw new DaemonException(DaemonException.Unreachable, $"{what} needs the program {Program}, which is neither in the module nor in PATH.");
    }
}
