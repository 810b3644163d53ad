using System.Runtime.InteropServices;

namespace PcpuIpsec.Interop;

internal static unsafe partial class Libc
{
    [LibraryImport(Library, EntryPoint = "sched_getaffinity", SetLastError = true)]
    public static partial int SchedGetAffinity(int tid, nuint maskBytes, byte* mask);

    [LibraryImport(Library, EntryPoint = "sched_setaffinity", SetLastError = true)]
    public static partial int SchedSetAffinity(int tid, nuint maskBytes, byte* mask);

    [LibraryImport(Library, EntryPoint = "sched_getcpu", SetLastError = true)]
    public static partial int SchedGetCpu();
}
