using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Host.Daemon;

/// <summary>
/// The socket that the daemon listens at. It is bound in a folder that only its owner enters and gets its mode and group there,
/// so that at no moment anybody else can connect; <see cref="Publish"/> then moves it to its place.
/// </summary>
internal sealed class ListeningSocket : IDisposable
{
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    // sun_path of sockaddr_un, without the zero at its end.
    private const int PathLengthAtMost = 107;

    private readonly string _folder;
    private bool _published;

    private readonly IDisposable _lock;

    private ListeningSocket(string path, string folder, Socket socket, IDisposable @lock) => (Path, _folder, Socket, _lock) = (path, folder, socket, @lock);

    public string Path { get; }

    public Socket Socket { get; }

    private string Hidden => System.IO.Path.Combine(_folder, "s");

    /// <param name="path">Where it will be.</param>
    /// <param name="group">The group that may connect; null: root alone.</param>
    public static ListeningSocket Open(string path, string? group)
    {
        path = System.IO.Path.GetFullPath(path);
        uint? groupNumber = group is null ? null : Libc.FindGroup(group)
            ?? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--group = '{group}' is no group of this host; allowed is one that is (addgroup --system {group}).");
        string parent = System.IO.Path.GetDirectoryName(path)!;
        // A name that nobody can have taken before: who may write to the parent could own it.
        string folder = $"{path}.{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        if (System.Text.Encoding.UTF8.GetByteCount(folder) + 2 > PathLengthAtMost)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--socket = '{path}' is too long for the path of a socket; allowed are about {PathLengthAtMost - 10} bytes.");
        Socket? socket = null;
        IDisposable? locked = null;
        try
        {
            Directory.CreateDirectory(parent);
            // From here on no other daemon takes the path, nor takes it away.
            locked = Lock(path);
            CheckNobodyListens(path);
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            var listening = new ListeningSocket(path, folder, socket, locked);
            socket.Bind(new UnixDomainSocketEndPoint(listening.Hidden));
            if (groupNumber is { } number)
                Libc.Check(Libc.Chown(listening.Hidden, Libc.Unchanged, number), $"give '{path}' to the group {group}");
            File.SetUnixFileMode(listening.Hidden, Mode);
            return listening;
        }
        catch (Exception e)
        {
            socket?.Dispose();
            DeleteFolder(folder);
            locked?.Dispose();
            if (e is IOException or UnauthorizedAccessException or SocketException)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--socket = '{path}' cannot be made: {e.Message}", e);
            throw;
        }
    }

    /// <summary>Moves it to its place; what a killed daemon left there is replaced.</summary>
    public void Publish()
    {
        File.Move(Hidden, Path, overwrite: true);
        _published = true;
        Directory.Delete(_folder);
    }

    public void Dispose()
    {
        Socket.Dispose();
        if (_published)
            File.Delete(Path);
        else
            DeleteFolder(_folder);
        _lock.Dispose();
    }

    private static SafeFileHandle Lock(string path)
    {
        const int OwnerOnly = 0x180;
        int opened = Libc.Check(Libc.Open(path + ".lock", Libc.O_RDONLY | Libc.O_CREAT | Libc.O_CLOEXEC, OwnerOnly), $"open {path}.lock");
        var file = new SafeFileHandle(opened, ownsHandle: true);
        if (Libc.FLock(opened, Libc.LOCK_EX | Libc.LOCK_NB) == 0)
            return file;
        file.Dispose();
        throw Taken(path);
    }

    private static void DeleteFolder(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    private static void CheckNobodyListens(string path)
    {
        if (!System.IO.Path.Exists(path))
            return;
        if (!Libc.IsSocket(path))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--socket = '{path}' is there and no socket; allowed is a path where nothing is, or where a daemon listened.");
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionRefused)
        {
            // A killed daemon's.
            return;
        }
        throw Taken(path);
    }

    private static PcpuIpsecException Taken(string path)
        => new(PcpuIpsecError.InvalidOption, $"--socket = '{path}': another daemon listens there; allowed is one socket for each.");
}
