using System.Runtime.InteropServices;

namespace PcpuIpsec.Interop;

internal static unsafe partial class Libc
{
    public const int CLONE_NEWNET = 0x40000000;
    public const nuint MS_BIND = 0x1000;
    public const nuint MS_REC = 0x4000;
    public const nuint MS_SHARED = 1 << 20;
    public const int MNT_DETACH = 2;

    /// <summary>Moves the calling thread, and it alone, into a namespace.</summary>
    [LibraryImport(Library, EntryPoint = "setns", SetLastError = true)]
    public static partial int SetNs(int fd, int type);

    [LibraryImport(Library, EntryPoint = "unshare", SetLastError = true)]
    public static partial int Unshare(int flags);

    [LibraryImport(Library, EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Mount(string source, string target, string type, nuint flags, void* data);

    [LibraryImport(Library, EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unmount(string target, int flags);
}
