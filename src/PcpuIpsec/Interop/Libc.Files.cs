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

    [LibraryImport(Library, EntryPoint = "geteuid")]
    public static partial uint GetEffectiveUser();

    /// <summary>Who owns an open file.</summary>
    public static uint OwnerOf(SafeFileHandle file)
    {
        const int EmptyPath = 0x1000;
        const uint Owner = 0x8;
        FileStatus status;
        Check(Statx((int)file.DangerousGetHandle(), "", EmptyPath, Owner, &status), "statx");
        return status.User;
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
