using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>
/// The folder of a session's daemon: its socket, its declared tunnels and their keys. In memory, for root alone, and gone after
/// a boot. The session locks it, and the daemon what it declares: the kernel lets a lock go when its process ends, however that
/// does, and one of another PID namespace sees it too. The daemon removes tunnels and keys when it ends, unless it is killed; the
/// session removes the rest.
/// </summary>
internal sealed partial class SessionFolder : IDisposable
{
    private const string Parent = "/run", Prefix = "pcpu-ipsec-session-";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly SafeFileHandle _lock;

    private SessionFolder(string path, SafeFileHandle @lock) => (Path, _lock) = (path, @lock);

    public string Path { get; }

    /// <summary>Where the daemon has its declared tunnels.</summary>
    public string Tunnels => TunnelsOf(Path);

    /// <exception cref="DaemonException">It cannot be made.</exception>
    public static SessionFolder Create()
    {
        try
        {
            while (true)
            {
                string path = Directory.CreateDirectory(System.IO.Path.Combine(Parent, Prefix + RandomNumberGenerator.GetHexString(12, lowercase: true)), OwnerOnly).FullName;
                // Who looks for abandoned ones may have been faster, and removes it.
                if (TryLock(path) is { } locked)
                    return new SessionFolder(path, locked);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DaemonException("host-unable", $"A private daemon has its keys in a folder in {Parent}, and none can be made there: {e.Message}", e);
        }
    }

    /// <summary>
    /// Looks for what daemons of other sessions left that were killed, and the session, too: deletes their keys, and says what
    /// is held. It is not let go here: nobody asked for that.
    /// </summary>
    public static IEnumerable<Abandoned> FindAbandoned() => Directory.GetDirectories(Parent, Prefix + "*").Select(HeldBy).OfType<Abandoned>();

    /// <summary>Deletes it, with what is in it.</summary>
    public void Dispose()
    {
        if (Directory.Exists(Path))
            Directory.Delete(Path, recursive: true);
        _lock.Dispose();
    }

    /// <param name="Warning">What is held, and how it is let go.</param>
    /// <param name="Traffic">What it is, as daemons write it.</param>
    internal sealed record Abandoned(string Warning, IReadOnlyList<string> Traffic);

    private static string TunnelsOf(string path) => System.IO.Path.Combine(path, "tunnels.d");

    private static Abandoned? HeldBy(string path)
    {
        try
        {
            string tunnels = TunnelsOf(path);
            using SafeFileHandle? session = TryLock(path);
            using SafeFileHandle? daemon = session is not null && Directory.Exists(tunnels) ? TryLock(tunnels) : null;
            if (session is null || (daemon is null && Directory.Exists(tunnels)))
                return null;
            DeclaredTunnels.DeleteKeys(tunnels);
            IReadOnlyList<string> held = DeclaredTunnels.Names(tunnels);
            if (held.Count > 0)
            {
                IReadOnlyList<string> traffic = [.. held.SelectMany(name => DeclaredTunnels.TrafficOf(tunnels, name))];
                return new Abandoned(
                    $"The private daemon of another session was killed and left the traffic of {string.Join(", ", held)} held{(traffic.Count > 0 ? $" ({string.Join(", ", traffic)})" : "")}: nothing of it leaves in clear. "
                        + $"In its network namespace '{SessionProgram.ReleaseCommand(tunnels)}' lets it go; remove {path} then.",
                    traffic);
            }
            Directory.Delete(path, recursive: true);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It was removed meanwhile, or cannot be looked at: a look is no reason to have no daemon.
            return null;
        }
    }

    /// <returns>Null where somebody else has it, or it is not there any more.</returns>
    private static SafeFileHandle? TryLock(string folder)
    {
        const int ReadOnlyFolder = 0x10000 | 0x80000, Exclusive = 2 | 4;
        // O_DIRECTORY | O_CLOEXEC of fcntl.h; LOCK_EX | LOCK_NB of sys/file.h
        var opened = new SafeFileHandle(Open(folder, ReadOnlyFolder), ownsHandle: true);
        if (!opened.IsInvalid && FLock(opened, Exclusive) == 0 && Directory.Exists(folder))
            return opened;
        opened.Dispose();
        return null;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(SafeFileHandle file, int operation);
}
