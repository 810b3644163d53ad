using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PcpuIpsec.Interop;

/// <summary>Owners and locks of files.</summary>
internal static unsafe partial class Libc
{
    /// <summary>Leaves the owner or the group as it is.</summary>
    public const uint Unchanged = uint.MaxValue;

    [LibraryImport(Library, EntryPoint = "chown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Chown(string path, uint owner, uint group);

    public const int LOCK_EX = 2;
    public const int LOCK_NB = 4;

    /// <summary>Locks what was opened until it is closed: the kernel closes what a killed process had.</summary>
    [LibraryImport(Library, EntryPoint = "flock", SetLastError = true)]
    public static partial int FLock(int fd, int operation);

    /// <summary>Is back when what was written, or a folder's names, are on disk.</summary>
    [LibraryImport(Library, EntryPoint = "fsync", SetLastError = true)]
    public static partial int FSync(int fd);

    [LibraryImport(Library, EntryPoint = "geteuid")]
    public static partial uint GetEffectiveUser();

    /// <summary>Who owns an open file.</summary>
    public static uint OwnerOf(SafeFileHandle file) => StatusOf(file).User;

    /// <summary>Whether what is open is a file, and no pipe, socket or folder.</summary>
    public static bool IsRegularFile(SafeFileHandle file) => (StatusOf(file).Mode & S_IFMT) == S_IFREG;

    /// <summary>Whether a path is that of a socket; a link to one is not.</summary>
    public static bool IsSocket(string path)
    {
        const int WorkingFolder = -100, NoFollow = 0x100;
        FileStatus status;
        return Statx(WorkingFolder, path, NoFollow, StatxTypeAndOwner, &status) == 0 && (status.Mode & S_IFMT) == S_IFSOCK;
    }

    // sys/stat.h, and STATX_TYPE | STATX_UID of linux/stat.h.
    private const ushort S_IFMT = 0xf000, S_IFREG = 0x8000, S_IFSOCK = 0xc000;
    private const uint StatxTypeAndOwner = 0x1 | 0x8;

    private static FileStatus StatusOf(SafeFileHandle file)
    {
        const int EmptyPath = 0x1000;
        FileStatus status;
        Check(Statx((int)file.DangerousGetHandle(), "", EmptyPath, StatxTypeAndOwner, &status), "statx");
        return status;
    }

    [LibraryImport(Library, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, FileStatus* status);

    /// <summary>struct statx (linux/stat.h), the same on every machine, as far as we read it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    private struct FileStatus
    {
        public uint Mask;
        public uint BlockSize;
        public ulong Attributes;
        public uint Links;
        public uint User;
        public uint Group;
        public ushort Mode;
    }

    /// <summary>The number of a group, by the host's name service; null where there is none of that name.</summary>
    public static uint? FindGroup(string name)
    {
        const int ERANGE = 34;
        for (int size = 1024; ; size *= 2)
        {
            byte[] buffer = new byte[size];
            fixed (byte* memory = buffer)
            {
                Group group;
                Group* found;
                int error = GetGroupByName(name, &group, memory, (nuint)size, &found);
                if (error == 0)
                    return found == null ? null : found->Number;
                if (error != ERANGE || size >= 1 << 20)
                    throw Failure($"find the group '{name}'", error);
            }
        }
    }

    [LibraryImport(Library, EntryPoint = "getgrnam_r", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int GetGroupByName(string name, Group* group, byte* buffer, nuint size, Group** found);

    /// <summary>struct group (grp.h).</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Group
    {
        public byte* Name;
        public byte* Password;
        public uint Number;
        public byte** Members;
    }
}
