using System.Globalization;
using System.Security.Cryptography;

namespace PcpuIpsec.PowerShell;

/// <summary>
/// The folder of a session's daemon: its socket, its declared tunnels and their keys. In memory, for root alone, and gone after
/// a boot. The daemon removes tunnels and keys when it ends, unless it is killed; the session removes the rest.
/// </summary>
internal static class SessionFolder
{
    private const string Parent = "/run", Prefix = "pcpu-ipsec-session-", OwnersFile = "owners";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Where the daemon has its declared tunnels.</summary>
    public static string TunnelsOf(string folder) => Path.Combine(folder, "tunnels.d");

    public static string Create()
    {
        string folder = Directory.CreateDirectory(Path.Combine(Parent, Prefix + RandomNumberGenerator.GetHexString(12, lowercase: true)), OwnerOnly).FullName;
        SetOwners(folder, Environment.ProcessId);
        return folder;
    }

    /// <summary>Notes whose it is: a session's whose daemon was killed is still the session's.</summary>
    public static void SetOwners(string folder, params int[] processIds)
    {
        string owners = Path.Combine(folder, OwnersFile), written = owners + ".tmp";
        File.WriteAllLines(written, processIds.Select(Mark).OfType<string>());
        // Who looks for abandoned ones sees all of it or none.
        File.Move(written, owners, overwrite: true);
    }

    /// <summary>
    /// Looks for what daemons of other sessions left that were killed, and the session, too: deletes their keys, and says what
    /// is held. It is not let go here: nobody asked for that.
    /// </summary>
    public static IEnumerable<string> FindAbandoned() => Directory.GetDirectories(Parent, Prefix + "*").Select(HeldBy).OfType<string>();

    private static string? HeldBy(string folder)
    {
        try
        {
            string owners = Path.Combine(folder, OwnersFile);
            // Without owners it is being made.
            if (!File.Exists(owners) || File.ReadLines(owners).Any(o => Mark(int.Parse(o.Split(' ')[0], CultureInfo.InvariantCulture)) == o))
                return null;
            string tunnels = TunnelsOf(folder);
            DeclaredTunnels.DeleteKeys(tunnels);
            IReadOnlyList<string> held = DeclaredTunnels.Names(tunnels);
            if (held.Count > 0)
                return $"The private daemon of another session was killed and left the traffic of {string.Join(", ", held)} held: nothing of it leaves in clear. In its network namespace 'pcpu-ipsec release --tunnels {tunnels}' lets it go; remove {folder} then.";
            Directory.Delete(folder, recursive: true);
            return null;
        }
        catch (IOException)
        {
            // It was removed meanwhile.
            return null;
        }
    }

    /// <summary>A process, and not another that has its id later: the id and when it started (proc_pid_stat(5), field 22).</summary>
    private static string? Mark(int processId)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{processId}/stat");
            // The second field is the program's name, in which anything can be.
            return $"{processId} {stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[22 - 3]}";
        }
        catch (IOException)
        {
            return null;
        }
    }
}
