using System.Runtime.InteropServices;

namespace PcpuIpsec.Interop;

internal static unsafe partial class Libc
{
    public const int CLONE_NEWNET = 0x40000000;

    /// <summary>Moves the calling thread, and it alone, into a namespace.</summary>
    [LibraryImport(Library, EntryPoint = "setns", SetLastError = true)]
    public static partial int SetNs(int fd, int kind);
}
