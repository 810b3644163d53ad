using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Lab;

/// <summary>
/// A network namespace with a name under /run/netns, as <c>ip netns</c> makes and lists them.
/// The kernel keeps a namespace per thread, and a pool thread that changed its own would carry strangers' work there: so
/// whatever must happen inside runs on a thread made for it, which dies there.
/// </summary>
internal sealed unsafe class NetworkNamespace
{
    public const string Folder = "/run/netns";

    private NetworkNamespace(string name) => Name = name;

    public string Name { get; }

    /// <summary>The file that names it: for <c>nsenter --net=</c>.</summary>
    public string Path => PathOf(Name);

    /// <summary>Makes a namespace with its loopback up.</summary>
    /// <exception cref="PcpuIpsecException">The name is taken, or CAP_SYS_ADMIN is missing.</exception>
    public static NetworkNamespace Create(string name)
    {
        string path = PathOf(name);
        ShareFolder();
        int fd = Libc.Open(path, Libc.O_RDONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_CLOEXEC, 0);
        if (fd < 0)
            throw Failure("create", name, Libc.Errno);
        _ = Libc.Close(fd);
        try
        {
            OnThread(() =>
            {
                if (Libc.Unshare(Libc.CLONE_NEWNET) != 0)
                    throw Failure("create", name, Libc.Errno);
                // thread-self, not self: the process's first thread stays where it was.
                if (Libc.Mount("/proc/thread-self/ns/net", path, "none", Libc.MS_BIND, null) != 0)
                    throw Failure("name", name, Libc.Errno);
                using RouteSocket routes = RouteSocket.Open();
                routes.SetUp(routes.RequireLink("lo").Index);
                return 0;
            });
        }
        catch
        {
            Delete(name);
            throw;
        }
        return new NetworkNamespace(name);
    }

    /// <summary>The namespace of a name that exists.</summary>
    public static NetworkNamespace Get(string name)
        => Exists(name) ? new NetworkNamespace(name) : throw Failure("open", name, Libc.ENOENT);

    public static bool Exists(string name) => File.Exists(PathOf(name));

    public static IReadOnlyList<string> List()
        => Directory.Exists(Folder) ? [.. Directory.EnumerateFiles(Folder).Select(f => System.IO.Path.GetFileName(f))] : [];

    /// <summary>Takes the name away; the namespace itself, and its interfaces, go with the last process in it. No error where there is none.</summary>
    public static void Delete(string name)
    {
        string path = PathOf(name);
        // EINVAL: a plain file, what a creation leaves that was killed before its mount. Mounts may lie on each other.
        while (Libc.Unmount(path, Libc.MNT_DETACH) == 0)
        {
        }
        if (Libc.Errno is not (Libc.EINVAL or Libc.ENOENT))
            throw Failure("unmount", name, Libc.Errno);
        File.Delete(path);
    }

    public void Delete() => Delete(Name);

    /// <summary>Runs an action inside, on a thread of its own, and waits for it. Sockets that it opens stay inside for good.</summary>
    public T Run<T>(Func<T> action) => OnThread(() =>
    {
        Enter();
        return action();
    });

    public void Run(Action action) => Run(() =>
    {
        action();
        return 0;
    });

    /// <summary>rtnetlink inside; usable from any thread.</summary>
    public RouteSocket OpenRoutes() => Run(RouteSocket.Open);

    /// <summary>A descriptor of the namespace, which keeps it alive, as IFLA_NET_NS_FD and setns take it.</summary>
    public SafeFileHandle Open()
    {
        int fd = Libc.Open(Path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw Failure("open", Name, Libc.Errno);
    }

    /// <summary>Sets a sysctl inside. /proc/sys/net is that of the thread that opens it, unlike /sys and /proc/net.</summary>
    public void SetSysctl(string name, string value) => Run(() => File.WriteAllText("/proc/sys/" + name.Replace('.', '/'), value));

    public string GetSysctl(string name) => Run(() => File.ReadAllText("/proc/sys/" + name.Replace('.', '/')).Trim());

    /// <summary>Reads a file of /proc/net inside, such as <c>snmp6</c>.</summary>
    public string ReadProcNet(string file) => Run(() => File.ReadAllText("/proc/thread-self/net/" + file));

    /// <summary>The processes whose first thread is inside, ourselves never among them; none where there is no such namespace.</summary>
    public static IReadOnlyList<int> ProcessesIn(string name)
    {
        string? identity = OnThread(() => TryEnter(PathOf(name)) == 0 ? LinkTarget("/proc/thread-self/ns/net") : null);
        var inside = new List<int>();
        if (identity is null)
            return inside;
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(System.IO.Path.GetFileName(folder), out int pid) && pid != Environment.ProcessId && LinkTarget(folder + "/ns/net") == identity)
                inside.Add(pid);
        }
        return inside;
    }

    /// <summary>Moves the calling thread inside. Threads that it starts from then on are inside too; all others are not.</summary>
    private void Enter()
    {
        if (TryEnter(Path) is not 0 and var errno)
            throw Failure("enter", Name, errno);
    }

    /// <summary>0 or errno: EINVAL where the file is there but no namespace is bound to it.</summary>
    private static int TryEnter(string path)
    {
        int fd = Libc.Open(path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
        if (fd < 0)
            return Libc.Errno;
        int errno = Libc.SetNs(fd, Libc.CLONE_NEWNET) == 0 ? 0 : Libc.Errno;
        _ = Libc.Close(fd);
        return errno;
    }

    private static T OnThread<T>(Func<T> action)
    {
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = action();
            }
            catch (Exception e) // Rethrown on the caller's thread, just below.
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        { IsBackground = true, Name = "netns" };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    /// <summary>As <c>ip netns</c> does: mounts made below the folder are to be seen in every mount namespace.</summary>
    private static void ShareFolder()
    {
        Directory.CreateDirectory(Folder);
        if (Libc.Mount("", Folder, "none", Libc.MS_SHARED | Libc.MS_REC, null) == 0)
            return;
        // EINVAL: it is no mount point yet.
        if (Libc.Errno != Libc.EINVAL
            || Libc.Mount(Folder, Folder, "none", Libc.MS_BIND | Libc.MS_REC, null) != 0
            || Libc.Mount("", Folder, "none", Libc.MS_SHARED | Libc.MS_REC, null) != 0)
        {
            throw Libc.Failure($"share the mount point {Folder}", Libc.Errno);
        }
    }

    private static string? LinkTarget(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: false)?.Name;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // The process ended meanwhile.
        }
    }

    private static string PathOf(string name)
        => name.Length is > 0 and <= 255 && name is not "." and not ".." && !name.Contains('/') && !name.Contains('\0')
            ? $"{Folder}/{name}"
            : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"network namespace = '{name}': allowed are 1 to 255 characters without '/'.");

    private static PcpuIpsecException Failure(string verb, string name, int errno)
    {
        string hint = errno == Libc.EPERM ? "; CAP_SYS_ADMIN is needed" : "";
        return new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{verb} network namespace {name}: {Libc.Describe(errno)}{hint}");
    }
}
